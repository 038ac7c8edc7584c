// The same in CommonJS.
import { Reelq } from "@reelq/client";

export const reelq = new Reelq({ baseUrl: "https://reelq.example" });
