// Generated from /openapi.json by `make client-ts-types`; do not edit.
// Types: b082e6e227a0632001126ef5c18235dac580aaf1111bcd4c01c9ad8e823225c8

export interface components {
    schemas: {
        /**
         * @description What one account's gateway can do, as its documentation says; null: it does not say.
         */
        AccountCapabilities: {
            name: string;
            gateway: string;
            capabilities: components["schemas"]["Capabilities"];
        };
        /**
         * @description What a job would cost at one account.
         */
        AccountEstimate: {
            account: string;
            gateway: string;
            can_serve: boolean;
            /**
             * @description Why the account cannot serve the job.
             */
            problems: components["schemas"]["FieldError"][];
            /** @description Null: no known price, or the account cannot serve it. */
            estimate: components["schemas"]["JobEstimate"] | null;
        };
        /**
         * @description Every account, in the order they are tried.
         */
        AccountList: {
            accounts: components["schemas"]["AccountResource"][];
            /**
             * @description Accounts of the database that cannot be used here, each with the reason.
             */
            unusable: {
                [key: string]: string;
            };
        };
        /**
         * @description One model of an account that has a lowered limit or takes no jobs.
         */
        AccountModel: {
            /**
             * @description The gateway's own name of the model.
             */
            model: string;
            /**
             * @description Its jobs at the gateway.
             */
            in_flight: number;
            /**
             * @description Its jobs at once, as the gateway accepts them at present.
             */
            limit_now: number;
            /**
             * @description When that limit was found; null: it is as configured.
             */
            limit_since: string | null;
            /**
             * State
             * @enum {string}
             */
            state: "ok" | "throttled" | "suspended" | "misrouted" | "outage" | "model_closed";
            /**
             * @description When the next job is tried; null: now.
             */
            until: string | null;
            since: string | null;
            /**
             * @description What the gateway answered.
             */
            error: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description A configured account: its limits, how much of them is in use, and whether it takes jobs. Never its key.
         */
        AccountResource: {
            name: string;
            gateway: string;
            base_url: string | null;
            /**
             * @description Jobs at once, as configured.
             */
            max_in_flight: number;
            /**
             * @description As configured; null: no limit.
             */
            requests_per_minute: number | null;
            /**
             * @description Jobs at once, as the gateway accepts them at present.
             */
            limit_now: number;
            /**
             * @description When that limit was found; null: it is as configured.
             */
            limit_since: string | null;
            /**
             * @description Jobs at the gateway.
             */
            in_flight: number;
            /**
             * @description `suspended`: its key, its permissions or its credit are refused. `misrouted`: `base_url` does not lead to the gateway's API. `paused`: by a person. `removing`: deleted when its last task has ended.
             * @enum {string}
             */
            state: "ok" | "throttled" | "suspended" | "misrouted" | "outage" | "paused" | "removing";
            suspended_until: string | null;
            suspended_since: string | null;
            throttled_until: string | null;
            /**
             * @description Why it is suspended, or what the gateway answered.
             */
            error: {
                [key: string]: unknown;
            } | null;
            /**
             * @description Whose jobs it may serve; `*`: every tenant that no account names. Null: only `*`.
             */
            tenants: string[] | null;
            /**
             * @description Those of the configuration change with it alone.
             * @enum {string}
             */
            kept_in: "configuration" | "database";
            /**
             * @description Models with a limit of their own, or that take no jobs.
             */
            models: components["schemas"]["AccountModel"][];
        };
        /**
         * @description The callbacks of Ark's door: `ARK_PREFIX` and the status. Endpoints cannot subscribe to them.
         * @enum {string}
         */
        ArkEvent: "ark.running" | "ark.succeeded" | "ark.failed" | "ark.expired" | "ark.cancelled";
        /**
         * @description Every asset of the accounts that the key manages, oldest first.
         */
        AssetList: {
            data: components["schemas"]["AssetResource"][];
        };
        /**
         * @description A file that an account's gateway keeps. What the gateway itself does not list is null with `remote`.
         */
        AssetResource: {
            account: string;
            status: string;
            /**
             * @description As jobs name it: asset://ID. Null: it does not exist yet.
             */
            asset: string | null;
            name: string;
            group_id: string | null;
            error: string | null;
            /**
             * @description image, video or audio.
             */
            modality?: string | null;
            sha256?: string | null;
            asset_id?: string | null;
            /**
             * @description Since it was uploaded, in seconds.
             */
            age_s?: number | null;
        };
        /**
         * @description The result of an upload.
         */
        AssetUpload: {
            account: string;
            sha256: string;
            /**
             * @description `processing`: not usable yet; send the same again. `unknown`: the asset may exist; send the same again, which looks first.
             * @enum {string}
             */
            status: "active" | "processing" | "failed" | "unknown";
            /**
             * @description As jobs name it: asset://ID. Null: it cannot be used.
             */
            asset: string | null;
            /**
             * @description False: the account had it already, and nothing was billed.
             */
            is_new: boolean;
            error: string | null;
        };
        /**
         * @description One request to a gateway that may have been charged.
         */
        AttemptResource: {
            number: number;
            account: string;
            gateway: string | null;
            model: string;
            /**
             * Started At
             * Format: date-time
             */
            started_at: string;
            finished_at: string | null;
            /**
             * @description What its answer meant, as a code; null: no answer yet.
             */
            outcome: string | null;
            http_status: number | null;
            gateway_task_id: string | null;
            /**
             * @description The task that a callback or a list named.
             */
            reported_task_id: string | null;
            /**
             * @description It was accepted, but the job uses another attempt's task.
             */
            surplus: boolean;
            /**
             * @description Tasks of the gateway that may belong to this attempt.
             */
            candidates: {
                [key: string]: unknown;
            }[] | null;
            error: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description What is wrong in one row.
         */
        BadCell: {
            /**
             * @description As a spreadsheet counts: the header is row 1. In JSONL, the line.
             */
            row: number;
            /**
             * @description As it is named in the file; empty: the row as a whole.
             */
            column: string;
            /**
             * @description The value in the row's key column, if it has one.
             */
            key: string | null;
            message: string;
        };
        /**
         * @description What is wrong with the file of a batch.
         */
        BatchError: {
            code: string;
            message: string;
            line: number | null;
            param: string | null;
        };
        /**
         * @description The first things that are wrong with the file of a batch.
         */
        BatchErrors: {
            /**
             * Object
             * @constant
             */
            object: "list";
            data: components["schemas"]["BatchError"][];
        };
        /**
         * @description Some batches, newest first.
         */
        BatchPage: {
            /**
             * Object
             * @constant
             */
            object: "list";
            data: components["schemas"]["BatchResource"][];
            has_more: boolean;
            first_id: string | null;
            last_id: string | null;
        };
        /**
         * @description What happened to the rows of a batch. Without `partial` none is refused: the whole batch would be.
         */
        BatchReport: {
            rows: number;
            /**
             * @description Stored now.
             */
            created: number;
            /**
             * @description Stored before, under the same keys.
             */
            known: number;
            /**
             * @description How the body was read, where that is not obvious: encoding, sheet, columns that are not used, equal rows.
             */
            notes: string[];
            refused: number;
            results: (components["schemas"]["StoredRow"] | components["schemas"]["RefusedRow"])[];
        };
        /**
         * @description A batch.
         */
        BatchResource: {
            id: string;
            /**
             * Object
             * @constant
             */
            object: "batch";
            endpoint: string;
            errors: components["schemas"]["BatchErrors"] | null;
            input_file_id: string;
            completion_window: string;
            /**
             * Status
             * @enum {string}
             */
            status: "validating" | "failed" | "in_progress" | "finalizing" | "completed" | "expired" | "cancelling" | "cancelled";
            /**
             * @description Videos that are stored; null until the batch has ended.
             */
            output_file_id: string | null;
            /**
             * @description Requests without a video; null: none, or it still runs.
             */
            error_file_id: string | null;
            created_at: number;
            in_progress_at: number | null;
            expires_at: number;
            finalizing_at: number | null;
            completed_at: number | null;
            failed_at: number | null;
            expired_at: number | null;
            cancelling_at: number | null;
            cancelled_at: number | null;
            request_counts: components["schemas"]["RequestCounts"];
            metadata: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description How far the budget reaches: it surely pays for `pays_for` of the new jobs.
         */
        BudgetReach: {
            amount: number;
            /**
             * @description What may still be spent.
             */
            left: number;
            currency: string;
            pays_for: number;
            of: number;
        };
        /**
         * @description What a campaign or a tenant may spend, and how much of it is gone. Amounts are in `currency`.
         */
        BudgetResource: {
            amount: number;
            currency: string;
            spent: number;
            /**
             * @description What the jobs at gateways may still cost.
             */
            reserved: number;
            /**
             * @description True while some jobs do not fit into what is left.
             */
            held: boolean;
        };
        /**
         * @description The callback is accepted; the job will be polled.
         */
        CallbackReceived: {
            /**
             * Received
             * @constant
             */
            received: true;
        };
        /**
         * @description Why the callback is not accepted.
         */
        CallbackRefused: {
            error: string;
        };
        /**
         * @description A campaign by its rows: states, reviews, what it waits for, reasons with advice, money.
         */
        CampaignOverview: {
            /**
             * @description Its name.
             */
            campaign: string;
            rows: number;
            /**
             * @description Rows of sheets; a template may make several videos of one.
             */
            sheet_rows: number;
            /**
             * @description Rows by state.
             */
            states: {
                [key: string]: number;
            };
            /**
             * @description Rows by review.
             */
            reviews: {
                [key: string]: number;
            };
            /**
             * @description Rows in the queue, by the reason why they wait.
             */
            waiting_for: {
                [key: string]: number;
            };
            /**
             * @description Rows that need a person or have failed, in groups.
             */
            reasons: components["schemas"]["RowReason"][];
            /**
             * @description Who decided what about it, newest first.
             */
            decisions: components["schemas"]["WhoDecided"][];
            /** @description How far its proofs are; null: it has none. */
            proofs: components["schemas"]["ProofCounts"] | null;
            /**
             * @description Drafts that wait, the soonest to end first.
             */
            ending_drafts: components["schemas"]["EndingDrafts"][];
            /**
             * @description Why nothing of it goes on before a person acts; empty: something does, or nothing waits.
             */
            standstill: components["schemas"]["Standstill"][];
            /**
             * @description Its rows are made as proofs first.
             */
            proof: boolean;
            pace: components["schemas"]["PaceResource"];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description Null: not paused.
             */
            paused_at: string | null;
            weight: number;
            /**
             * @description The same as `states`.
             */
            counts: {
                [key: string]: number;
            };
            costs: components["schemas"]["CostTotal"][];
            /** @description Null: no limit. */
            budget: components["schemas"]["BudgetResource"] | null;
            /**
             * @description Who gets mail about it; null: those whom the tenant names.
             */
            notify: string[] | null;
            /**
             * @description The same as `rows`.
             */
            total: number;
            finished: number;
            /**
             * @description Paths of the campaign's other routes.
             */
            links: {
                [key: string]: string;
            };
        };
        /**
         * @description Some campaigns, newest first; `next_cursor` is null on the last page.
         */
        CampaignPage: {
            data: components["schemas"]["CampaignResource"][];
            next_cursor: string | null;
        };
        /**
         * @description A named set of jobs.
         */
        CampaignResource: {
            name: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description Null: not paused.
             */
            paused_at: string | null;
            /**
             * @description Its share of the slots, relative to the tenant's other campaigns.
             */
            weight: number;
            /**
             * @description Rows by state. The newest version of a row counts.
             */
            counts: {
                [key: string]: number;
            };
            /**
             * @description All rows.
             */
            total: number;
            /**
             * @description Rows that have succeeded, failed or were cancelled.
             */
            finished: number;
            /**
             * @description Estimated and reported, one entry per currency.
             */
            costs: components["schemas"]["CostTotal"][];
            /** @description Null: no limit. */
            budget: components["schemas"]["BudgetResource"] | null;
            /**
             * @description Who gets mail about it; null: those whom the tenant names.
             */
            notify: string[] | null;
            /**
             * @description Its rows are made as proofs first.
             */
            proof: boolean;
            pace: components["schemas"]["PaceResource"];
            /**
             * @description Paths of the campaign's other routes.
             */
            links: {
                [key: string]: string;
            };
        };
        /**
         * @description A row of a campaign: one video that it wants, and the job that stands for it now.
         */
        CampaignRow: {
            /**
             * Id
             * Format: uuid
             * @description That of its first job.
             */
            id: string;
            /**
             * @description As a spreadsheet counts: the header is row 1.
             */
            row: number;
            /**
             * @description The file that it was in last, 1 for the campaign's first; 0: none.
             */
            sheet: number;
            /**
             * @description Which of several videos of that row of the sheet; empty: the only one.
             */
            variant: string;
            /**
             * @description The value in the key column.
             */
            key: string | null;
            /**
             * @description Every cell of the sheet, by the name of its column.
             */
            columns: {
                [key: string]: unknown;
            };
            /** @description That of the job that stands for the row. */
            state: components["schemas"]["JobState"];
            reason: string | null;
            review: components["schemas"]["RowReview"];
            /**
             * @description How many jobs were made for it.
             */
            versions: number;
            /**
             * @description The sheet asks for something else than the newest version.
             */
            edited: boolean;
            /** @description The job that stands for the row. */
            job: components["schemas"]["JobResource"];
            /**
             * @description Paths of its routes.
             */
            links: {
                [key: string]: string;
            };
        };
        /**
         * @description A row with every job that was made for it.
         */
        CampaignRowDetail: {
            /**
             * Id
             * Format: uuid
             * @description That of its first job.
             */
            id: string;
            /**
             * @description As a spreadsheet counts: the header is row 1.
             */
            row: number;
            /**
             * @description The file that it was in last, 1 for the campaign's first; 0: none.
             */
            sheet: number;
            /**
             * @description Which of several videos of that row of the sheet; empty: the only one.
             */
            variant: string;
            /**
             * @description The value in the key column.
             */
            key: string | null;
            /**
             * @description Every cell of the sheet, by the name of its column.
             */
            columns: {
                [key: string]: unknown;
            };
            /** @description That of the job that stands for the row. */
            state: components["schemas"]["JobState"];
            reason: string | null;
            review: components["schemas"]["RowReview"];
            /**
             * @description How many jobs were made for it.
             */
            versions: number;
            /**
             * @description The sheet asks for something else than the newest version.
             */
            edited: boolean;
            /** @description The job that stands for the row. */
            job: components["schemas"]["JobResource"];
            /**
             * @description Paths of its routes.
             */
            links: {
                [key: string]: string;
            };
            /**
             * @description All versions, oldest first.
             */
            history: components["schemas"]["RowVersion"][];
        };
        /**
         * @description Of the whole campaign: how many jobs were cancelled. Of chosen rows: the decision.
         */
        CancelAnswer: components["schemas"]["CancelledCampaign"] | components["schemas"]["RowDecision"];
        /**
         * @description The result of cancelling a campaign.
         */
        CancelledCampaign: {
            /**
             * @description Jobs cancelled now.
             */
            cancelled: number;
            /**
             * @description Jobs that a worker now asks their gateways to cancel.
             */
            asked: number;
            /**
             * @description Jobs still running: already billed, and `discard` was not set.
             */
            refused: number;
            campaign: components["schemas"]["CampaignResource"];
        };
        /**
         * @description All capabilities of one gateway, for one account: `tiers` and `models` are those of its catalog.
         */
        Capabilities: {
            gateway: string;
            tiers?: {
                [key: string]: components["schemas"]["ModelRow"];
            };
            models?: {
                [key: string]: components["schemas"]["ModelRow"];
            };
            max_prompt_chars?: number | null;
            max_prompt_tokens?: number | null;
            advised_prompt?: [
                number,
                number
            ] | null;
            max_body_bytes?: number | null;
            options?: {
                [key: string]: components["schemas"]["Option"];
            };
            /**
             * @default false
             */
            callbacks?: boolean;
            /**
             * @default false
             */
            callbacks_https_only?: boolean;
            /**
             * @default false
             */
            cancel?: boolean;
            list_limits?: components["schemas"]["ListLimits"] | null;
            /**
             * @default 0
             */
            list_ids?: number;
            /**
             * @default []
             */
            marks?: ("seed" | "expires_after")[];
            /**
             * @default false
             */
            assets?: boolean;
        };
        /**
         * @description What every account's gateway can do.
         */
        CapabilityList: {
            accounts: components["schemas"]["AccountCapabilities"][];
        };
        /**
         * @description The models of every account, in the order in which accounts are tried.
         */
        Catalog: {
            models: components["schemas"]["CatalogModel"][];
        };
        /**
         * @description A model as an account can use it.
         */
        CatalogModel: {
            /**
             * @description The account; the gateway, if no account is configured.
             */
            account: string;
            gateway: string;
            /**
             * @description Those whose jobs get this model if they name none.
             */
            tiers: ("standard" | "fast" | "mini")[];
            /** @description What its documents say; null: they do not say. */
            row: components["schemas"]["ModelRow"];
        };
        /**
         * @description A dry run: every row was checked, nothing is stored.
         */
        CheckedCampaign: {
            /**
             * @description Its name.
             */
            campaign: string;
            rows: number;
            /**
             * Dry Run
             * @constant
             */
            dry_run: true;
            /**
             * @description How the body was read, where that is not obvious: encoding, sheet, columns that are not used, equal rows.
             */
            notes: string[];
            estimates: components["schemas"]["CurrencyEstimate"][];
            /**
             * @description Jobs without a known price.
             */
            without_price: number;
            /**
             * @description With `skip_bad`: what is wrong in the rows that were left out.
             */
            skipped: components["schemas"]["BadCell"][];
        };
        /**
         * @description A playable copy that is not ready yet.
         */
        CopyWaits: {
            /**
             * State
             * @constant
             */
            state: "waiting";
            /**
             * Job Id
             * Format: uuid
             */
            job_id: string;
        };
        /**
         * @description Costs in one currency. `compared…` sums the jobs that have both an estimate and a reported cost.
         */
        CostTotal: {
            currency: string;
            estimated_jobs: number;
            estimated_low: number;
            estimated_high: number;
            /**
             * @description Of the estimated jobs: the gateway publishes no price for them.
             */
            by_list_price: number;
            reported_jobs: number;
            /**
             * @description What the gateways reported.
             */
            reported: number;
            /**
             * @description Reported.
             */
            compared: number;
            /**
             * @description Estimated, at least.
             */
            compared_low: number;
            /**
             * @description Estimated, at most.
             */
            compared_high: number;
            /**
             * @description Reported above the estimates; below 0: under them; 0: within them.
             */
            drift: number;
        };
        /**
         * @description What jobs will cost in one currency.
         */
        CurrencyEstimate: {
            currency: string;
            jobs: number;
            low: number;
            high: number;
            /**
             * @description Of the jobs: the gateway publishes no price for them.
             */
            by_list_price: number;
        };
        /**
         * @description One page, newest first.
         */
        DecisionPage: {
            data: components["schemas"]["DecisionResource"][];
            /**
             * @description Give it as `cursor` for the next page; null: the last one.
             */
            next_cursor: number | null;
        };
        /**
         * @description A decision about something else than a single job; those are in the job's events.
         */
        DecisionResource: {
            id: number;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /**
             * @description Who decided: a key, a session, a user of the command line; null: the system.
             */
            actor: string | null;
            /**
             * @description Such as campaign.paused, key.created, webhook.added.
             */
            what: string;
            /**
             * @description What it is about: its kind, a colon, and its id or name.
             */
            subject: string;
            /**
             * @description What was set.
             */
            detail: {
                [key: string]: unknown;
            };
        };
        /**
         * @description A file that is gone.
         */
        DeletedFile: {
            id: string;
            /**
             * Object
             * @constant
             */
            object: "file";
            /**
             * Deleted
             * @constant
             */
            deleted: true;
        };
        /**
         * @description A video whose files are removed.
         */
        DeletedVideo: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            /**
             * Object
             * @constant
             */
            object: "video.deleted";
            /**
             * Deleted
             * @constant
             */
            deleted: true;
        };
        /**
         * @description Drafts, and the final videos made of them.
         */
        Drafts: {
            /**
             * Resolution
             * @enum {string}
             */
            resolution: "480p" | "720p" | "1080p" | "4k";
            final_resolutions: ("480p" | "720p" | "1080p" | "4k")[];
            fields: string[];
            life_days: number;
        };
        /**
         * @description Rows that were edited since they were stored, by what a run does with them.
         */
        EditedRows: {
            /**
             * @description Not submitted yet: the new request replaces the old one.
             */
            replaced: number[];
            /**
             * @description Failed without a bill: the new request is made.
             */
            again: number[];
            /**
             * @description Submitted: the old request stays until a reroll.
             */
            paid_for: number[];
        };
        /**
         * @description Drafts that wait for a decision and end within one hour, from `ends_at`. `numbers`: of their rows, not all of
         *     very many.
         */
        EndingDrafts: {
            /**
             * Ends At
             * Format: date-time
             */
            ends_at: string;
            rows: number;
            numbers: number[];
        };
        /**
         * @description Every endpoint of the tenant, oldest first.
         */
        EndpointList: {
            data: components["schemas"]["EndpointResource"][];
        };
        /**
         * @description A URL that receives events of the tenant. Its secret is not shown.
         */
        EndpointResource: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            url: string;
            /**
             * @description The events it receives; empty: all of them.
             */
            events: ("job.succeeded" | "job.failed" | "job.cancelled" | "job.unconfirmed" | "campaign.finished" | "campaign.review_ready" | "campaign.budget_80" | "campaign.budget_used_up" | "campaign.drafts_expiring")[];
            /**
             * @description Until then messages are signed with the previous secret too; null: not.
             */
            previous_until: string | null;
            disabled_at: string | null;
            disabled_reason: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
        };
        /**
         * @description An endpoint and its new secret.
         */
        EndpointWithSecret: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            url: string;
            /**
             * @description The events it receives; empty: all of them.
             */
            events: ("job.succeeded" | "job.failed" | "job.cancelled" | "job.unconfirmed" | "campaign.finished" | "campaign.review_ready" | "campaign.budget_80" | "campaign.budget_used_up" | "campaign.drafts_expiring")[];
            /**
             * @description Until then messages are signed with the previous secret too; null: not.
             */
            previous_until: string | null;
            disabled_at: string | null;
            disabled_reason: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description Verifies messages. Shown only once.
             */
            secret: string;
        };
        /**
         * @description What a job would cost at every account, in the order they are tried.
         */
        Estimates: {
            /**
             * @description The account that is tried first.
             */
            chosen: string;
            /** @description At that account; null: no known price. */
            estimate: components["schemas"]["JobEstimate"] | null;
            accounts: components["schemas"]["AccountEstimate"][];
        };
        /**
         * @description The events that are sent to receivers. The names are ours: OpenAI's `video.completed` promises another body.
         * @enum {string}
         */
        EventType: "job.succeeded" | "job.failed" | "job.cancelled" | "job.unconfirmed" | "campaign.finished" | "campaign.review_ready" | "campaign.budget_80" | "campaign.budget_used_up" | "campaign.drafts_expiring" | "webhook.test";
        /**
         * @description One job at one account. With errors there is no request.
         */
        ExplainedAccount: {
            account: string;
            gateway: string;
            can_serve: boolean;
            /**
             * @description Why it cannot serve the job.
             */
            errors: components["schemas"]["FieldError"][];
            /**
             * @description Side effects, and what will differ.
             */
            warnings: components["schemas"]["FieldError"][];
            /**
             * @description The gateway's own name of the model.
             */
            model: string | null;
            row: components["schemas"]["RuledBy"] | null;
            method: string | null;
            url: string | null;
            /**
             * @description In angle brackets: what is chosen when the job is submitted.
             */
            body: {
                [key: string]: unknown;
            } | null;
            /**
             * @description Null: no price is known.
             */
            estimate: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description One job: its own problems, or the answer of each account.
         */
        ExplainedJob: {
            /**
             * @description Its place in the body.
             */
            where: string;
            /**
             * @description Its fields, as they were read.
             */
            job: {
                [key: string]: unknown;
            };
            /**
             * @description Why it is no valid job.
             */
            problems: components["schemas"]["FieldError"][];
            /**
             * @description The account that is tried first; null: none can serve it.
             */
            chosen: string | null;
            /**
             * @description In the order in which they are tried.
             */
            accounts: components["schemas"]["ExplainedAccount"][];
        };
        /**
         * @description What accounts would be sent for jobs.
         */
        ExplainedJobs: {
            jobs: components["schemas"]["ExplainedJob"][];
            /**
             * @description How the body was read, where that is not obvious.
             */
            notes: string[];
        };
        /**
         * @description What is wrong with one field.
         */
        FieldError: {
            /**
             * @description The name as the caller wrote it, such as reference_images[3]; empty: the whole input.
             */
            field: string;
            message: string;
            /**
             * @description The row, if the input has many.
             * @default
             */
            where?: string;
        };
        /**
         * @description Some files, newest first.
         */
        FilePage: {
            /**
             * Object
             * @constant
             */
            object: "list";
            data: components["schemas"]["FileResource"][];
            has_more: boolean;
            first_id: string | null;
            last_id: string | null;
        };
        /**
         * @description A file.
         */
        FileResource: {
            id: string;
            /**
             * Object
             * @constant
             */
            object: "file";
            bytes: number;
            created_at: number;
            expires_at: number | null;
            filename: string;
            /**
             * Purpose
             * @enum {string}
             */
            purpose: "batch" | "batch_output";
            /**
             * Status
             * @constant
             */
            status: "processed";
        };
        /**
         * @description What was said about some rows.
         */
        GatewayWords: {
            message: string;
            /**
             * @description The gateway's own; empty: none.
             */
            code: string;
            rows: number;
            /**
             * @description Whose words the message is.
             * @enum {string}
             */
            by: "gateway" | "reelq";
        };
        /**
         * @description The process answers.
         */
        HealthReport: {
            /**
             * Status
             * @constant
             */
            status: "ok";
        };
        /**
         * @description The attempts of a job, oldest first, and why it waits.
         */
        JobAttempts: {
            data: components["schemas"]["AttemptResource"][];
            waits: components["schemas"]["WaitResource"][];
        };
        /**
         * @description What a job will cost, between `low` and `high`.
         */
        JobEstimate: {
            account: string;
            /**
             * @description The gateway's own name of the model.
             */
            model: string;
            low: number;
            high: number;
            currency: string;
            /**
             * As Of
             * Format: date
             * @description The day of the price list.
             */
            as_of: string;
            /**
             * @description `own`: a rate of the account. `published`: a price that the gateway publishes. `list`: the list price of the
             *     model's maker, because the gateway publishes none; it may charge more or less.
             * @enum {string}
             */
            basis: "own" | "published" | "list";
            /**
             * @description The price is not published, but inferred.
             */
            inferred: boolean;
            /**
             * @description The fewest and the most; null: not counted.
             */
            tokens: number[] | null;
            /**
             * @description The same by prices in other currencies.
             */
            also: {
                [key: string]: components["schemas"]["OtherCurrency"];
            };
        };
        /**
         * @description One change of a job's state.
         */
        JobEvent: {
            /**
             * @description Higher for later events; `Last-Event-ID` takes it.
             */
            id: number;
            /**
             * Job Id
             * Format: uuid
             */
            job_id: string;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** @description The state before; null when the job was stored. */
            source: components["schemas"]["JobState"] | null;
            /** @description The state after. */
            target: components["schemas"]["JobState"];
            /**
             * @description Why, as a code.
             */
            reason: string;
            /**
             * @description More about it, such as the gateway's message.
             */
            detail: {
                [key: string]: unknown;
            } | null;
            /**
             * @description Who decided it: a key, a session, a user of the command line; null: the system.
             */
            actor: string | null;
        };
        /**
         * @description Some jobs, newest first; `next_cursor` is null on the last page.
         */
        JobPage: {
            data: components["schemas"]["JobResource"][];
            next_cursor: string | null;
        };
        /**
         * @description A job, and where to go from it. `links` has a file only once the file exists.
         */
        JobResource: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            state: components["schemas"]["JobState"];
            campaign: string | null;
            idempotency_key: string | null;
            request: {
                [key: string]: unknown;
            };
            priority: number;
            tags: string[];
            metadata: {
                [key: string]: unknown;
            };
            webhook_url: string | null;
            account: string | null;
            account_pin: string | null;
            gateway: string | null;
            model: string | null;
            gateway_task_id: string | null;
            attempt: number;
            polls: number;
            reason: string | null;
            error: {
                [key: string]: unknown;
            } | null;
            usage: {
                [key: string]: unknown;
            } | null;
            estimate: {
                [key: string]: unknown;
            } | null;
            cost: {
                [key: string]: unknown;
            } | null;
            seed: number | null;
            object_key: string | null;
            playable_key: string | null;
            poster_key: string | null;
            last_frame_key: string | null;
            size_bytes: number | null;
            sha256: string | null;
            video_format: {
                [key: string]: unknown;
            } | null;
            due_at: string | null;
            deadline_at: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            submitted_at: string | null;
            generated_at: string | null;
            video_expires_at: string | null;
            finished_at: string | null;
            cancel_request: string | null;
            deleted_at: string | null;
            draft_of: string | null;
            draft_task_id: string | null;
            draft_ends_at: string | null;
            finals: string[];
            links: {
                [key: string]: string;
            };
        };
        /**
         * @description The state of a job, and who moves it on.
         * @enum {string}
         */
        JobState: "queued" | "submitting" | "unconfirmed" | "generating" | "transferring" | "succeeded" | "failed" | "cancelled";
        /**
         * @description The events of one job, oldest first.
         */
        JobTimeline: {
            data: components["schemas"]["JobEvent"][];
        };
        /**
         * @description Every key of the tenant, oldest first.
         */
        KeyList: {
            data: components["schemas"]["KeyResource"][];
        };
        /**
         * @description The purse of a key.
         */
        KeyPurseResource: {
            /** @description Null: it has none, and spends without a limit of its own. */
            purse: components["schemas"]["PurseResource"] | null;
        };
        /**
         * @description A key, without its secret.
         */
        KeyResource: {
            /**
             * @description The part of the key after `rq_`.
             */
            id: string;
            tenant: string;
            name: string;
            scopes: components["schemas"]["Scope"][];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description To the minute. Null: never.
             */
            last_used_at: string | null;
            /**
             * @description Null: not revoked.
             */
            revoked_at: string | null;
            /**
             * @description From then on it is refused. Null: never.
             */
            expires_at: string | null;
            /**
             * @description The id of the key that was made in its place.
             */
            replaced_by: string | null;
        };
        /**
         * @description A row that may miss its deadline.
         */
        LateRow: {
            row: number;
            chance: number;
        };
        /**
         * @description Rows that take no part in a decision, for one reason.
         */
        LeftRows: {
            code: string;
            /**
             * @description Completes a sentence that begins with the row.
             */
            message: string;
            count: number;
            /**
             * @description The first 1,000.
             */
            rows: components["schemas"]["RowName"][];
        };
        /**
         * @description The limits of a gateway's list of tasks: newest first, pages counted from 1. None: no documented limit.
         */
        ListLimits: {
            page_size: number;
            max_pages?: number | null;
            max_tasks?: number | null;
            window_s?: number | null;
            /**
             * @default false
             */
            filters_time?: boolean;
            /**
             * @default false
             */
            needs_user?: boolean;
            /**
             * @default false
             */
            flex_apart?: boolean;
            /**
             * @default false
             */
            proves_absence?: boolean;
        };
        /**
         * @description A price. Conditions that are not given match anything; `from`, `until`: the days on which it holds, both
         *     inclusive, in Beijing. Of several that hold on a day, the first one applies.
         */
        ListPrice: {
            currency: string;
            price: string;
            /**
             * @default million_tokens
             * @enum {string}
             */
            per?: "million_tokens" | "second" | "call";
            /**
             * @default []
             */
            resolutions?: ("480p" | "720p" | "1080p" | "4k")[];
            video_input?: boolean | null;
            from?: string | null;
            until?: string | null;
            /**
             * @default false
             */
            inferred?: boolean;
            /**
             * As Of
             * Format: date
             */
            as_of: string;
        };
        /**
         * @description Where a reference points.
         * @enum {string}
         */
        MediaKind: "url" | "data" | "asset" | "upload" | "path";
        /**
         * @description The limits of one kind of reference: number, forms, and properties of each file. Ranges are inclusive.
         */
        MediaLimits: {
            count: number;
            /**
             * @default [
             *       "url"
             *     ]
             */
            kinds?: components["schemas"]["MediaKind"][];
            /**
             * @default []
             */
            formats?: string[];
            max_bytes?: number | null;
            side_px?: [
                number,
                number
            ] | null;
            area_px?: [
                number,
                number
            ] | null;
            aspect?: [
                number,
                number
            ] | null;
            seconds?: [
                number,
                number
            ] | null;
            total_seconds?: number | null;
            fps?: [
                number,
                number
            ] | null;
        };
        /**
         * @description Some messages, newest first; `next_cursor` is null on the last page.
         */
        MessagePage: {
            data: components["schemas"]["MessageResource"][];
            next_cursor: string | null;
        };
        /**
         * @description One event for one receiver, and how far its delivery is.
         */
        MessageResource: {
            /**
             * @description The `webhook-id` of every attempt.
             */
            id: string;
            /**
             * @description `ark.…`: a callback of Ark's door.
             */
            type: components["schemas"]["EventType"] | components["schemas"]["ArkEvent"];
            state: components["schemas"]["MessageState"];
            job_id: string | null;
            /**
             * @description Null: it goes to the `webhook_url` of its job.
             */
            endpoint_id: string | null;
            /**
             * @description Null: its endpoint was removed.
             */
            url: string | null;
            attempts: number;
            replays: number;
            /**
             * @description The HTTP status of the last attempt; null: no answer.
             */
            last_status: number | null;
            last_error: string | null;
            /**
             * @description The beginning of the last answer that was not 2xx.
             */
            last_answer: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description When it is sent next; null: never.
             */
            due_at: string | null;
            last_attempt_at: string | null;
            delivered_at: string | null;
            dead_at: string | null;
        };
        /**
         * @description The state of a message.
         * @enum {string}
         */
        MessageState: "pending" | "retrying" | "delivered" | "dead";
        /**
         * @description Every model that some account sells.
         */
        ModelList: {
            /**
             * Object
             * @constant
             */
            object: "list";
            data: components["schemas"]["ModelResource"][];
        };
        /**
         * @description A model.
         */
        ModelResource: {
            /**
             * @description As `model` of `/v1/videos` and of a job: seedance-2.5.
             */
            id: string;
            /**
             * Object
             * @constant
             */
            object: "model";
            /**
             * @description The day of the documents that describe it, in Unix seconds.
             */
            created: number;
            owned_by: string;
        };
        /**
         * @description One model as one gateway, or one account, sells it.
         */
        ModelRow: {
            name: string;
            /**
             * @default standard
             * @enum {string}
             */
            tier?: "standard" | "fast" | "mini";
            /**
             * As Of
             * Format: date
             */
            as_of: string;
            /**
             * @default
             */
            source?: string;
            /**
             * @default gateway
             * @enum {string}
             */
            decided_by?: "gateway" | "account" | "id" | "pattern" | "tier";
            id: string;
            uses?: {
                [key: string]: string;
            };
            resolutions: ("480p" | "720p" | "1080p" | "4k")[];
            /**
             * @default 720p
             * @enum {string}
             */
            default_resolution?: "480p" | "720p" | "1080p" | "4k";
            ratios: ("16:9" | "4:3" | "1:1" | "3:4" | "9:16" | "21:9" | "adaptive")[];
            default_ratio?: ("16:9" | "4:3" | "1:1" | "3:4" | "9:16" | "21:9" | "adaptive") | null;
            default_text_ratio?: ("16:9" | "4:3" | "1:1" | "3:4" | "9:16" | "21:9" | "adaptive") | null;
            seconds: [
                number,
                number
            ];
            /**
             * @default false
             */
            auto_duration?: boolean;
            default_seconds?: number | null;
            only?: {
                [key: string]: components["schemas"]["Only"];
            };
            pixels?: {
                [key: string]: {
                    [key: string]: [
                        number,
                        number
                    ];
                };
            };
            codecs?: {
                [key: string]: string;
            };
            media: {
                [key: string]: components["schemas"]["MediaLimits"];
            };
            max_references?: number | null;
            /**
             * @default false
             */
            audio_alone?: boolean;
            /**
             * @default [
             *       "edit",
             *       "extend"
             *     ]
             */
            operations?: ("edit" | "extend")[];
            /**
             * @default false
             */
            operation_is_sent?: boolean;
            /**
             * @default []
             */
            task_types?: ("auto" | "reference" | "edit" | "extend")[];
            /**
             * @default []
             */
            output_formats?: ("mp4" | "mov")[];
            /**
             * @default []
             */
            flags?: ("seed" | "watermark" | "camera_fixed" | "return_last_frame")[];
            /**
             * @default false
             */
            web_search?: boolean;
            /**
             * @default []
             */
            always_sent?: ("duration" | "ratio" | "resolution")[];
            /**
             * @default []
             */
            never_sent?: string[];
            drafts?: components["schemas"]["Drafts"] | null;
            /** @default {} */
            limits?: components["schemas"]["RateLimits"];
            /** @default {} */
            limits_4k?: components["schemas"]["RateLimits"];
            /**
             * @default []
             */
            prices?: components["schemas"]["ListPrice"][];
            /**
             * @default []
             */
            gateway_prices?: components["schemas"]["ListPrice"][];
            /**
             * @description Every name that `id` stands for.
             */
            readonly models: string[];
        };
        /**
         * @description A new key. Only this answer has the key itself.
         */
        NewKeyResource: {
            /**
             * @description The part of the key after `rq_`.
             */
            id: string;
            tenant: string;
            name: string;
            scopes: components["schemas"]["Scope"][];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description To the minute. Null: never.
             */
            last_used_at: string | null;
            /**
             * @description Null: not revoked.
             */
            revoked_at: string | null;
            /**
             * @description From then on it is refused. Null: never.
             */
            expires_at: string | null;
            /**
             * @description The id of the key that was made in its place.
             */
            replaced_by: string | null;
            /**
             * @description The key. It is not shown again.
             */
            key: string;
        };
        /**
         * @description A link that was just made.
         */
        NewShare: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            /**
             * @description It shows approved videos only, else all that are not rejected.
             */
            approved_only: boolean;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description Who made it.
             */
            created_by: string | null;
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /**
             * @description Null: not revoked.
             */
            revoked_at: string | null;
            /**
             * @description Opens the page. It is shown only now.
             */
            url: string;
        };
        /**
         * @description A row and the job that a decision made for it.
         */
        NewVersion: {
            row: number;
            key: string | null;
            /**
             * Id
             * Format: uuid
             * @description The row's.
             */
            id: string;
            /**
             * Job Id
             * Format: uuid
             */
            job_id: string;
        };
        /**
         * @description The one value that a use of the model takes. Any other value is replaced by it, and `explain` says so.
         */
        Only: {
            ratio?: ("16:9" | "4:3" | "1:1" | "3:4" | "9:16" | "21:9" | "adaptive") | null;
            duration?: number | null;
        };
        /**
         * @description The error as OpenAI's clients read it.
         */
        OpenAIError: {
            message: string;
            /**
             * Type
             * @enum {string}
             */
            type: "invalid_request_error" | "server_error";
            /**
             * @description The same as the problem's `code`.
             */
            code: string;
            /**
             * @description The first field that is wrong; null if no field is.
             */
            param: string | null;
        };
        /**
         * @description One name under `gateway_options`: its type and allowed values.
         */
        Option: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "boolean" | "integer" | "text";
            /**
             * @default 0
             */
            minimum?: number;
            /**
             * @default 0
             */
            maximum?: number;
            /**
             * @default []
             */
            values?: string[];
            /**
             * @default
             */
            pattern?: string;
        };
        /**
         * @description What a job will cost by a price in another currency.
         */
        OtherCurrency: {
            low: number;
            high: number;
            /**
             * @description `own`: a rate of the account. `published`: a price that the gateway publishes. `list`: the list price of the
             *     model's maker, because the gateway publishes none; it may charge more or less.
             * @enum {string}
             */
            basis: "own" | "published" | "list";
            inferred: boolean;
        };
        /**
         * @description When and how fast a campaign submits.
         */
        PaceResource: {
            /**
             * @description Nothing is submitted before; null: at once.
             */
            start_at: string | null;
            /**
             * @description As in "22:00-07:00"; null: none.
             */
            quiet_hours: string | null;
            /**
             * @description Of the quiet hours.
             */
            time_zone: string | null;
            /**
             * @description Jobs at gateways at once, at most; null: no limit.
             */
            max_concurrent: number | null;
            /**
             * @description Jobs that count for that now.
             */
            in_use: number | null;
            /**
             * @description Why nothing is submitted now.
             */
            waits_for: ("before_start" | "quiet_hours") | null;
            /**
             * @description When that ends.
             */
            goes_on_at: string | null;
        };
        /**
         * @description Everything that can be known about a campaign before money is spent. Nothing is stored.
         */
        PlanResource: {
            campaign: string | null;
            rows: number;
            /**
             * @description Rows without a problem.
             */
            good: number;
            /**
             * @description Jobs of the good rows: a template may make several of each.
             */
            jobs: number;
            /**
             * @description Jobs that the campaign has already; they cost nothing again.
             */
            known: number;
            edited: components["schemas"]["EditedRows"];
            bad: components["schemas"]["BadCell"][];
            /**
             * @description Rows that make the same request.
             */
            duplicates: number[][];
            cost: components["schemas"]["PlannedCost"];
            /**
             * @description The same for every currency.
             */
            costs: components["schemas"]["PlannedCost"][];
            /**
             * @description New jobs without a known price.
             */
            without_price: number;
            /** @description Null: no limit. */
            budget: components["schemas"]["BudgetReach"] | null;
            /** @description Null: the campaign makes no proofs. */
            proofs: components["schemas"]["PlannedProofs"] | null;
            finish: components["schemas"]["PlannedFinish"];
            late: components["schemas"]["LateRow"][];
            media: components["schemas"]["PlannedMedia"];
            samples: components["schemas"]["Sample"][];
            columns: components["schemas"]["PlannedColumns"];
            /**
             * @description Of a text; null: it is a workbook.
             */
            encoding: string | null;
            /**
             * @description The sheet of a workbook.
             */
            sheet: string | null;
            /**
             * @description How the body was read, and what to look at.
             */
            notes: string[];
        };
        /**
         * @description The columns that are used, and those that are kept with the jobs.
         */
        PlannedColumns: {
            used: string[];
            kept: string[];
        };
        /**
         * @description What the new jobs will cost in one currency; null: no price is known.
         */
        PlannedCost: {
            currency: string | null;
            low: number;
            high: number;
            jobs: number;
            /**
             * @description Of the jobs: the gateway publishes no price for them.
             */
            by_list_price: number;
        };
        /**
         * @description When everything will be done, from a simulation; null: no account works at the moment.
         */
        PlannedFinish: {
            /**
             * @description As likely as not by then.
             */
            p50: string | null;
            /**
             * @description In nine of ten cases by then.
             */
            p90: string | null;
            p50_s: number | null;
            p90_s: number | null;
            assumes: string[];
        };
        /**
         * @description Media that rows name by URL; `fetched` null: none was fetched.
         */
        PlannedMedia: {
            fetched: number | null;
            unusable: number;
        };
        /**
         * @description The new jobs are proofs, of which finals are made once they are approved. `cost` is that of the proofs.
         */
        PlannedProofs: {
            drafts: number;
            /**
             * @description The same in a low resolution; their finals are generated again.
             */
            looks: number;
            /**
             * @description Nothing is cheaper than the row itself: it is made at once.
             */
            as_asked: number;
            /**
             * @description If all are approved.
             */
            finals: number;
            finals_costs: components["schemas"]["PlannedCost"][];
            finals_without_price: number;
            /**
             * @description By the budget, after the proofs; null: no limit.
             */
            finals_paid_for: number | null;
        };
        /**
         * @description The rows of a campaign that have or had a proof. `running`: the proof is being made or waits; `awaiting_review`:
         *     it waits for a decision; `expired`: it was a draft, of which no final can be made any more; `finals`: it was
         *     approved, and another job stands for the row.
         */
        ProofCounts: {
            rows: number;
            running: number;
            failed: number;
            awaiting_review: number;
            expired: number;
            rejected: number;
            finals: number;
        };
        /**
         * @description How many proofs of each kind jobs are.
         */
        ProofKinds: {
            drafts: number;
            /**
             * @description The same in a low resolution; their finals are generated again.
             */
            looks: number;
            /**
             * @description Nothing is cheaper than the row itself: it is made at once.
             */
            as_asked: number;
        };
        /**
         * @description What a key, and those that replace it, may spend. Jobs that may cost more than is left are refused.
         */
        PurseResource: {
            currency: string;
            amount: number;
            /**
             * @description What ended jobs cost, and the most that the others may cost.
             */
            used: number;
            left: number;
        };
        /**
         * @description The limits of one account for one model. `concurrent`: generations at once. None: not published.
         */
        RateLimits: {
            requests_per_minute?: number | null;
            concurrent?: number | null;
        };
        /**
         * @description Whether jobs can run.
         */
        ReadinessReport: {
            ready: boolean;
            /**
             * @description Each part that does not work, and why.
             */
            missing: {
                [key: string]: string;
            };
            /**
             * @description What a person should look at although jobs run, by its row in docs/doctor.md.
             */
            warnings: {
                [key: string]: string;
            };
            /**
             * @description The version of reelq that answers.
             */
            version: string;
        };
        /**
         * @description A stable code; `line` is its meaning in a few words for people.
         * @enum {string}
         */
        Reason: "enqueued" | "account_missing" | "no_account" | "model_closed" | "asset_processing" | "asset_not_offered" | "not_deliverable" | "over_budget" | "kept_back" | "before_start" | "quiet_hours" | "awaiting_review" | "no_price" | "changed" | "submit" | "accepted" | "not_sent" | "not_tried" | "throttled" | "account_problem" | "model_problem" | "not_served" | "input_not_ready" | "outcome_unknown" | "task_taken" | "sent_before_restore" | "submit_lost" | "looking" | "held" | "adopted" | "accepted_late" | "double_charge" | "not_submitted" | "proven_not_submitted" | "resubmitted" | "resubmitted_by_policy" | "never_accepted" | "abandoned" | "generating" | "status_unknown" | "bad_answer" | "gateway_unavailable" | "gateway_error" | "task_unknown" | "result_missing" | "generated" | "cancelling" | "no_fresh_link" | "cancel_too_late" | "download_failed" | "store_unavailable" | "wrong_content" | "url_refused" | "url_not_public" | "video_expiring" | "last_frame_failed" | "last_frame_refused" | "stored" | "found_stored" | "approved" | "rejected" | "cancelled" | "cancelled_upstream" | "discarded" | "invalid_request" | "input_gone" | "moderation_blocked" | "asset_failed" | "deadline_exceeded" | "draft_expired" | "generation_timeout" | "generation_failed" | "expired_upstream" | "gateway_lost" | "task_lost" | "video_expired";
        /**
         * @description A row of a batch that is not stored.
         */
        RefusedRow: {
            /**
             * @description The line of the body, or the row of a table, counted from 1; 0: not known.
             */
            line: number;
            error: components["schemas"]["OpenAIError"];
            /**
             * @description Every field that is wrong.
             */
            errors: components["schemas"]["FieldError"][];
        };
        /**
         * @description How many messages will be sent again.
         */
        ReplayedMessages: {
            replayed: number;
        };
        /**
         * @description How many requests a batch has, and how many of them have ended.
         */
        RequestCounts: {
            total: number;
            completed: number;
            failed: number;
        };
        /**
         * @description Of the whole campaign: the campaign. Of chosen rows: the decision.
         */
        ResumeAnswer: components["schemas"]["CampaignResource"] | components["schemas"]["RowDecision"];
        /**
         * @description What was decided about the version that stands for a row.
         * @enum {string}
         */
        Review: "open" | "approved" | "rejected";
        /**
         * @description What a decision does, or did, with the chosen rows.
         */
        RowDecision: {
            campaign: string;
            verb: components["schemas"]["Verb"];
            /**
             * @description Nothing was done.
             */
            dry_run: boolean;
            /**
             * @description Its id, which timelines name; null: a dry run.
             */
            operation: string | null;
            /**
             * @description The operation was carried out before: nothing was done now, the rest is its first answer. A dry run with the id of an operation asks for that.
             */
            repeated: boolean;
            /**
             * @description Rows that were chosen.
             */
            rows: number;
            /**
             * @description Rows that take part.
             */
            acts: number;
            /**
             * @description In a dry run: the first 10,000 of them.
             */
            acting: components["schemas"]["RowName"][];
            /**
             * @description Rows with which it was done.
             */
            done: number;
            /**
             * @description Rows whose gateways are asked to cancel.
             */
            asked: number;
            /**
             * @description Jobs that it makes, which are billed.
             */
            new_jobs: number;
            /** @description Of the new jobs; null: there are none, or no price. */
            cost: components["schemas"]["PlannedCost"] | null;
            /**
             * @description The same for every currency.
             */
            costs: components["schemas"]["PlannedCost"][];
            /**
             * @description New jobs without a known price.
             */
            without_price: number;
            /** @description How far it reaches; null: no limit, or no new jobs. */
            budget: components["schemas"]["BudgetReach"] | null;
            /**
             * @description Rows for which there is nothing to do.
             */
            idle: components["schemas"]["LeftRows"][];
            /**
             * @description Rows for which it cannot be done.
             */
            refused: components["schemas"]["LeftRows"][];
            /**
             * @description Chosen rows that do not exist.
             */
            missing: string[];
            /**
             * @description The new jobs.
             */
            jobs: components["schemas"]["NewVersion"][];
        };
        /**
         * @description A row of an earlier sheet, which will be generated and billed unless it is cancelled.
         */
        RowLeftBehind: {
            row: number;
            key: string | null;
            /**
             * Id
             * Format: uuid
             */
            id: string;
            /**
             * Job Id
             * Format: uuid
             */
            job_id: string;
        };
        /**
         * @description A row, as people and programs name it.
         */
        RowName: {
            row: number;
            key: string | null;
            /**
             * Id
             * Format: uuid
             */
            id: string;
        };
        /**
         * @description Some rows in the order of their sheet; `next_cursor` is null on the last page.
         */
        RowPage: {
            data: components["schemas"]["CampaignRow"][];
            next_cursor: string | null;
        };
        /**
         * @description Rows that wait or have failed for one reason.
         */
        RowReason: {
            code: string;
            state: components["schemas"]["JobState"];
            rows: number;
            /**
             * @description By language: en, zh.
             */
            meaning: {
                [key: string]: string;
            };
            /**
             * @description What to do, by language; empty: nothing.
             */
            advice: {
                [key: string]: string;
            };
            /**
             * @description Of a moderation: input or output.
             */
            stage: string | null;
            /**
             * @description Of a moderation: text, image, video or audio.
             */
            modality: string | null;
            /**
             * @description The first rows.
             */
            numbers: number[];
            said: components["schemas"]["GatewayWords"][];
            /**
             * @description What a new attempt needs; null: the rows wait or were cancelled.
             */
            cure: string | null;
        };
        /**
         * @description What was decided about the video of a row.
         */
        RowReview: {
            state: components["schemas"]["Review"];
            at: string | null;
            by: string | null;
            comment: string | null;
        };
        /**
         * @description A job that was made for a row. `job` is null if retention has deleted it.
         */
        RowVersion: {
            /**
             * @description 1 for the first.
             */
            version: number;
            /** @description Why it was made. */
            kind: components["schemas"]["VersionKind"];
            /**
             * Job Id
             * Format: uuid
             */
            job_id: string;
            job: components["schemas"]["JobResource"] | null;
        };
        /**
         * @description The row of the catalog that rules a job.
         */
        RuledBy: {
            name: string;
            as_of: string;
            /**
             * @description Why it applies; see `GET /v1/catalog`.
             */
            decided_by: string;
        };
        /**
         * @description One of the jobs, as it would be stored.
         */
        Sample: {
            row: number;
            key: string | null;
            request: {
                [key: string]: unknown;
            };
        };
        /**
         * @description What a key may do with the jobs of its tenant.
         * @enum {string}
         */
        Scope: "read" | "enqueue" | "admin" | "metrics";
        /**
         * @description The links of a campaign.
         */
        ShareList: {
            data: components["schemas"]["ShareResource"][];
        };
        /**
         * @description A link to a campaign's videos that needs no key.
         */
        ShareResource: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            /**
             * @description It shows approved videos only, else all that are not rejected.
             */
            approved_only: boolean;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description Who made it.
             */
            created_by: string | null;
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /**
             * @description Null: not revoked.
             */
            revoked_at: string | null;
        };
        /**
         * @description Why `jobs` of a campaign wait for a person: a code, and what to do in one sentence.
         */
        Standstill: {
            code: string;
            jobs: number;
            advice: string;
        };
        /**
         * @description A campaign whose rows are all stored.
         */
        StoredCampaign: {
            rows: number;
            /**
             * @description Stored now.
             */
            created: number;
            /**
             * @description Stored before, under the same keys.
             */
            known: number;
            /**
             * @description How the body was read, where that is not obvious: encoding, sheet, columns that are not used, equal rows.
             */
            notes: string[];
            /**
             * @description Its name.
             */
            campaign: string;
            /**
             * @description The jobs, in the order of the rows.
             */
            ids: string[];
            /**
             * @description Rows of the sheet; a template may make several jobs of one.
             */
            sheet_rows: number;
            edited: components["schemas"]["EditedRows"];
            /**
             * @description Fields, beside the request, that known jobs keep as they were.
             */
            differs: string[];
            /** @description Null: the jobs are no proofs. */
            proofs: components["schemas"]["ProofKinds"] | null;
            /**
             * @description Rows that still wait although the sheet has them no more, at most 1,000.
             */
            not_in_file: components["schemas"]["RowLeftBehind"][];
            /**
             * @description Of `notes`: how the sheet was read.
             */
            reading: string[];
            estimates: components["schemas"]["CurrencyEstimate"][];
            /**
             * @description Jobs without a known price.
             */
            without_price: number;
            /**
             * @description With `skip_bad`: what is wrong in the rows that were left out.
             */
            skipped: components["schemas"]["BadCell"][];
        };
        /**
         * @description A row of a batch that is stored.
         */
        StoredRow: {
            /**
             * @description The line of the body, or the row of a table, counted from 1.
             */
            line: number;
            /**
             * Id
             * Format: uuid
             * @description The job's.
             */
            id: string;
            /**
             * @description False: the job was stored before, under the same key.
             */
            created: boolean;
            /**
             * @description Where that job has another webhook_url, metadata, tags or priority; its own stay.
             */
            differs: string[];
        };
        /**
         * @description The tenant and the scopes of a key.
         */
        TenantResource: {
            name: string;
            /**
             * @description What the key may do.
             */
            scopes: components["schemas"]["Scope"][];
            /**
             * @description Its share of the slots, relative to other tenants.
             */
            weight: number;
            /**
             * @description How many jobs it may enqueue; null: no limit.
             */
            jobs_per_minute: number | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** @description Null: no limit. */
            budget: components["schemas"]["BudgetResource"] | null;
        };
        /**
         * @description One page of uploaded files, newest first.
         */
        UploadPage: {
            data: components["schemas"]["UploadResource"][];
            next_cursor: string | null;
            totals: components["schemas"]["UploadTotals"];
        };
        /**
         * @description An uploaded file of the tenant.
         */
        UploadResource: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
            /**
             * @description What a job names: `upload://…`.
             */
            url: string;
            name: string | null;
            size_bytes: number;
            format?: string | null;
            width?: number | null;
            height?: number | null;
            seconds?: number | null;
            fps?: number | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * @description A job that has not ended needs it.
             */
            in_use: boolean;
            /**
             * @description When it is deleted if no other job needs it. Null: it has no such time.
             */
            expires_at: string | null;
        };
        /**
         * @description How much the tenant has, and may have.
         */
        UploadTotals: {
            files: number;
            size_bytes: number;
            max_files: number;
            max_bytes: number;
        };
        /**
         * @description A decision about rows.
         * @enum {string}
         */
        Verb: "approve" | "reject" | "reroll" | "retry" | "cancel" | "resume" | "set";
        /**
         * @description Why a job was made for a row.
         * @enum {string}
         */
        VersionKind: "first" | "retry" | "reroll" | "final" | "edit";
        /**
         * @description Why a video failed.
         */
        VideoError: {
            /**
             * @description `cancelled`, or the job's own error code.
             */
            code: string;
            message: string;
        };
        /**
         * @description Some videos.
         */
        VideoPage: {
            /**
             * Object
             * @constant
             */
            object: "list";
            data: components["schemas"]["VideoResource"][];
            has_more: boolean;
            first_id: string | null;
            last_id: string | null;
        };
        /**
         * @description A job as OpenAI's clients know a video. `state` and `metadata` are reelq's own.
         * @example {
         *       "created_at": 1795238400,
         *       "id": "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90",
         *       "metadata": {},
         *       "model": "seedance-2.0-fast",
         *       "object": "video",
         *       "progress": 40,
         *       "prompt": "a red fox runs through fresh snow",
         *       "seconds": "4",
         *       "size": "720x1280",
         *       "state": "generating",
         *       "status": "in_progress"
         *     }
         */
        VideoResource: {
            /**
             * Id
             * Format: uuid
             * @description The job's id.
             */
            id: string;
            /**
             * Object
             * @constant
             */
            object: "video";
            /**
             * @description Unix seconds.
             */
            created_at: number;
            /**
             * @description Unix seconds; null until it is completed.
             */
            completed_at: number | null;
            /**
             * @description Files are kept until they are deleted.
             */
            expires_at: null;
            /**
             * Status
             * @enum {string}
             */
            status: "queued" | "in_progress" | "completed" | "failed";
            /**
             * @description Percent.
             */
            progress: number;
            /**
             * @description Such as seedance-2.5, or the name of the tier: seedance-2.0-fast.
             */
            model: string;
            prompt: string | null;
            /**
             * @description `auto` where the model chooses.
             */
            seconds: string;
            /**
             * @description `auto` where the gateway chooses.
             */
            size: string;
            remixed_from_video_id: string | null;
            error: components["schemas"]["VideoError"] | null;
            /** @description The job's state. */
            state: components["schemas"]["JobState"];
            metadata: {
                [key: string]: unknown;
            };
        };
        /**
         * @description One reason why a job waits.
         */
        WaitResource: {
            code: string;
            /**
             * @description What belongs to the code, such as `account` and `until`.
             */
            values: {
                [key: string]: unknown;
            };
        };
        /**
         * @description The secrets that verify deliveries to the `webhook_url` of the tenant's jobs.
         */
        WebhookSecrets: {
            /**
             * @description Two while the secret is being replaced, the new one first.
             */
            secrets: string[];
        };
        /**
         * @description A decision about a campaign as a whole.
         */
        WhoDecided: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            what: string;
            actor: string | null;
            detail: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description Changes of an account.
         * @example {
         *       "max_in_flight": 20
         *     }
         */
        AccountChange: {
            /**
             * @description Whose jobs it may serve; `*`: every tenant that no account names. Operators only.
             */
            tenants?: string[] | null;
            /**
             * @description Jobs at once.
             */
            max_in_flight?: number | null;
            requests_per_minute?: number | null;
            polls_per_minute?: number | null;
            callbacks?: boolean | null;
            default_model?: string | null;
            user_id?: number | null;
            /**
             * @description Operators only.
             */
            base_url?: string | null;
            /**
             * @description As `[accounts.models]`. Operators only.
             */
            models?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description What it pays. Operators only.
             */
            rates?: {
                [key: string]: unknown;
            }[] | null;
        };
        /**
         * @description New terms of a campaign. Fields that are left out stay unchanged.
         * @example {
         *       "budget": "100 CNY"
         *     }
         * @example {
         *       "budget": null
         *     }
         * @example {
         *       "weight": 2
         *     }
         * @example {
         *       "notify": [
         *         "anna@shop.example"
         *       ]
         *     }
         */
        CampaignChange: {
            /**
             * @description What it may spend, such as "100 CNY"; null: no limit.
             */
            budget?: string | null;
            /**
             * @description Its share of the slots, relative to the tenant's other campaigns; null: unchanged.
             */
            weight?: number | null;
            /**
             * @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once. Null: at once.
             */
            start_at?: string | null;
            /**
             * @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours. Null: no quiet hours.
             */
            quiet_hours?: string | null;
            /**
             * @description How many of its jobs are at gateways at once, at most. Null: no limit.
             */
            max_concurrent?: number | null;
            /**
             * @description Of times without an offset and of quiet hours, as in "Asia/Shanghai".
             * @default UTC
             */
            time_zone?: string;
            /**
             * @description Who gets mail about it; empty: no one; null: those whom the tenant names.
             */
            notify?: string[] | null;
        };
        /**
         * @description A sheet to enqueue, how to read it, and how the campaign starts.
         */
        CampaignForm: {
            /**
             * File
             * Format: binary
             * @description The sheet. Its name says what it is: .xlsx, .xls, .ods, .csv, .tsv, .jsonl, .yaml, …
             */
            file: string;
            /**
             * @description The campaign.
             */
            name?: string | null;
            /**
             * @description A template in YAML, as text or as a file.
             */
            template?: string | null;
            /**
             * @description A prompt with placeholders for columns.
             */
            prompt?: string | null;
            /**
             * @description The column that names a row.
             */
            key?: string | null;
            /**
             * @description Use a column as a field, as in "产品名=prompt". May be repeated.
             * @default []
             */
            map?: string[];
            /**
             * @description The sheet of a workbook.
             */
            sheet?: string | null;
            /**
             * @description The encoding of a text.
             */
            encoding?: string | null;
            /**
             * @description Between cells of a text.
             */
            delimiter?: string | null;
            /**
             * @description What it may spend, such as "100 CNY".
             */
            budget?: string | null;
            /**
             * @description Fetch the media that rows name by URL.
             * @default false
             */
            fetch?: boolean;
            /**
             * @description Make each row as a draft or a small cheap video first.
             * @default false
             */
            proof?: boolean;
            /**
             * @description For rows without one.
             */
            deadline?: string | null;
            /**
             * @description For rows without one: 0 to 9.
             */
            priority?: number | null;
            /**
             * @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once.
             */
            start_at?: string | null;
            /**
             * @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours.
             */
            quiet_hours?: string | null;
            /**
             * @description How many of its jobs are at gateways at once, at most.
             */
            max_concurrent?: number | null;
            /**
             * @description Of times without an offset and of quiet hours, as in "Asia/Shanghai".
             * @default UTC
             */
            time_zone?: string;
            /**
             * @description Its share of the slots.
             */
            weight?: number | null;
            /**
             * @description Submit only this number of rows.
             */
            first?: number | null;
            /**
             * @description Submit nothing before a resume.
             * @default false
             */
            paused?: boolean;
            /**
             * @description Store the good rows although some are bad.
             * @default false
             */
            skip_bad?: boolean;
            /**
             * @description Check every row and estimate the cost; store nothing.
             * @default false
             */
            dry_run?: boolean;
            /**
             * @description Who gets mail about it. May be repeated.
             * @default []
             */
            notify?: string[];
        };
        /**
         * @description The jobs of a campaign, one per item. With a template, a mapping or a key, they may have other members too.
         * @example [
         *       {
         *         "duration": 5,
         *         "idempotency_key": "fox-1",
         *         "prompt": "a red fox in the snow"
         *       },
         *       {
         *         "duration": 10,
         *         "idempotency_key": "lighthouse-1",
         *         "prompt": "a lighthouse at dusk"
         *       }
         *     ]
         */
        CampaignRows: {
            [key: string]: components["schemas"]["JsonValue"];
        }[];
        /**
         * @description How to cancel.
         * @example {}
         * @example {
         *       "discard": true
         *     }
         */
        CancelBody: {
            /**
             * @description Also give up submitted jobs, which will be billed.
             * @default false
             */
            discard?: boolean;
        };
        /**
         * @description What to cancel. Without a choice, a dry run or an operation: the whole campaign.
         * @example {}
         * @example {
         *       "discard": true
         *     }
         * @example {
         *       "keys": [
         *         "SKU-7"
         *       ]
         *     }
         */
        CancelRows: {
            /**
             * @description Numbers as a spreadsheet counts, such as "2-10,14".
             */
            rows?: string | null;
            /**
             * @description Values in the key column.
             * @default []
             */
            keys?: string[];
            /**
             * @description Ids of rows.
             * @default []
             */
            ids?: string[];
            /**
             * @description Rows in any of these states.
             * @default []
             */
            states?: components["schemas"]["JobState"][];
            /**
             * @description Rows with any of these reviews.
             * @default []
             */
            reviews?: components["schemas"]["Review"][];
            /**
             * @description Rows with any of these reasons.
             * @default []
             */
            reasons?: components["schemas"]["Reason"][];
            /**
             * @description Every row.
             * @default false
             */
            all?: boolean;
            /**
             * @description Ids of the chosen rows that a dry run showed as `acting`: no other row takes part, whatever has changed since. A repetition of the operation need not have them.
             */
            agreed?: string[] | null;
            /**
             * @description Say what would be done and what it costs; do nothing.
             * @default false
             */
            dry_run?: boolean;
            /**
             * @description An id of your own, or the header `Idempotency-Key`: the same request with the same id does nothing, and gets the same answer; another request with it is refused.
             */
            operation?: string | null;
            /**
             * @description Also give up submitted jobs, which will be billed.
             * @default false
             */
            discard?: boolean;
        };
        /**
         * @description An edit of a video, as JSON.
         * @example {
         *       "prompt": "the same at night",
         *       "video": {
         *         "id": "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"
         *       }
         *     }
         */
        EditedVideo: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description 4 to 30 (4 to 15 for 2.0), or -1 for automatic. Default: 4.
             */
            seconds?: string | null;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
            video: components["schemas"]["VideoId"];
        } & {
            [key: string]: unknown;
        };
        /**
         * @description An edit of a clip, as a form.
         * @example {
         *       "prompt": "the same at night",
         *       "video": {
         *         "id": "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"
         *       }
         *     }
         */
        EditedVideoForm: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description 4 to 30 (4 to 15 for 2.0), or -1 for automatic. Default: 4.
             */
            seconds?: string | null;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
            /**
             * Video
             * Format: binary
             */
            video: string;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description Changes of an endpoint. Fields that are left out or null stay unchanged.
         * @example {
         *       "disabled": false
         *     }
         * @example {
         *       "events": [
         *         "campaign.finished"
         *       ]
         *     }
         */
        EndpointChange: {
            /**
             * @description The events it receives; empty: all of them.
             */
            events?: ("job.succeeded" | "job.failed" | "job.cancelled" | "job.unconfirmed" | "campaign.finished" | "campaign.review_ready" | "campaign.budget_80" | "campaign.budget_used_up" | "campaign.drafts_expiring")[] | null;
            disabled?: boolean | null;
        };
        /**
         * @description A sheet to check, and what to write its errors into.
         */
        ErrorsForm: {
            /**
             * File
             * Format: binary
             * @description The sheet. Its name says what it is: .xlsx, .xls, .ods, .csv, .tsv, .jsonl, .yaml, …
             */
            file: string;
            /**
             * @description The campaign.
             */
            name?: string | null;
            /**
             * @description A template in YAML, as text or as a file.
             */
            template?: string | null;
            /**
             * @description A prompt with placeholders for columns.
             */
            prompt?: string | null;
            /**
             * @description The column that names a row.
             */
            key?: string | null;
            /**
             * @description Use a column as a field, as in "产品名=prompt". May be repeated.
             * @default []
             */
            map?: string[];
            /**
             * @description The sheet of a workbook.
             */
            sheet?: string | null;
            /**
             * @description The encoding of a text.
             */
            encoding?: string | null;
            /**
             * @description Between cells of a text.
             */
            delimiter?: string | null;
            /**
             * @description What it may spend, such as "100 CNY".
             */
            budget?: string | null;
            /**
             * @description Fetch the media that rows name by URL.
             * @default false
             */
            fetch?: boolean;
            /**
             * @description Make each row as a draft or a small cheap video first.
             * @default false
             */
            proof?: boolean;
            /**
             * @description For rows without one.
             */
            deadline?: string | null;
            /**
             * @description For rows without one: 0 to 9.
             */
            priority?: number | null;
            /**
             * @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once.
             */
            start_at?: string | null;
            /**
             * @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours.
             */
            quiet_hours?: string | null;
            /**
             * @description How many of its jobs are at gateways at once, at most.
             */
            max_concurrent?: number | null;
            /**
             * @description Of times without an offset and of quiet hours, as in "Asia/Shanghai".
             * @default UTC
             */
            time_zone?: string;
            /**
             * @description By default JSONL for JSONL, a workbook for a table.
             */
            format?: ("xlsx" | "csv" | "jsonl") | null;
        };
        /**
         * @description An extension of a video, as JSON.
         * @example {
         *       "prompt": "the same at night",
         *       "seconds": "4",
         *       "video": {
         *         "id": "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"
         *       }
         *     }
         */
        ExtendedVideo: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description How long the extension is.
             */
            seconds: string;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
            video: components["schemas"]["VideoId"];
        } & {
            [key: string]: unknown;
        };
        /**
         * @description An extension of a clip, as a form.
         * @example {
         *       "prompt": "the same at night",
         *       "seconds": "4",
         *       "video": {
         *         "id": "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"
         *       }
         *     }
         */
        ExtendedVideoForm: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description How long the extension is.
             */
            seconds: string;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
            /**
             * Video
             * Format: binary
             */
            video: string;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description The final of a draft: what differs from it.
         * @example {}
         * @example {
         *       "output_format": "mov",
         *       "resolution": "1080p"
         *     }
         * @example {
         *       "regenerate": true
         *     }
         */
        FinalizeBody: {
            /**
             * @description One that the model makes finals in; null: the first of these, 1080p.
             */
            resolution?: ("480p" | "720p" | "1080p" | "4k") | null;
            /**
             * @description null: mp4.
             */
            output_format?: ("mp4" | "mov") | null;
            watermark?: boolean | null;
            return_last_frame?: boolean | null;
            /**
             * @description Options that the gateway takes for a final.
             */
            gateway_options?: {
                [key: string]: components["schemas"]["JsonValue"];
            } | null;
            /**
             * @description null: the same draft with the same fields gives the same final, also if it is sent twice.
             */
            idempotency_key?: string | null;
            /**
             * @description If the job is not a draft, generate it again in a higher resolution: it will differ.
             * @default false
             */
            regenerate?: boolean;
            /**
             * @description Only with `regenerate`; null: that of the job.
             */
            tier?: ("standard" | "fast" | "mini") | null;
            /**
             * @description Only with `regenerate`; null: that of the job.
             */
            model?: string | null;
        };
        /**
         * @description A picture by its URL, or as a data URI.
         */
        ImageUrl: {
            image_url: string;
        };
        /**
         * @description Many jobs, one per item.
         * @example [
         *       {
         *         "duration": 5,
         *         "idempotency_key": "fox-1",
         *         "prompt": "a red fox in the snow"
         *       },
         *       {
         *         "duration": 10,
         *         "idempotency_key": "lighthouse-1",
         *         "prompt": "a lighthouse at dusk"
         *       }
         *     ]
         */
        JobBatch: components["schemas"]["JobSpec"][];
        /**
         * @description A caller's job: every field of the request, and those of the job itself.
         */
        JobSpec: {
            prompt?: string;
            /**
             * @default standard
             */
            tier?: ("standard" | "fast" | "mini") | null;
            resolution?: ("480p" | "720p" | "1080p" | "4k") | null;
            ratio?: ("16:9" | "4:3" | "1:1" | "3:4" | "9:16" | "21:9" | "adaptive") | null;
            duration?: number | null;
            audio?: boolean | null;
            first_frame?: string | null;
            last_frame?: string | null;
            /**
             * @default []
             */
            reference_images?: string[] | null;
            /**
             * @default []
             */
            reference_videos?: string[] | null;
            /**
             * @default []
             */
            reference_audios?: string[] | null;
            operation?: ("edit" | "extend") | null;
            web_search?: boolean | null;
            seed?: number | null;
            watermark?: boolean | null;
            camera_fixed?: boolean | null;
            return_last_frame?: boolean | null;
            gateway_options?: {
                [key: string]: components["schemas"]["JsonValue"];
            } | null;
            model?: string | null;
            output_format?: ("mp4" | "mov") | null;
            task_type?: ("auto" | "reference" | "edit" | "extend") | null;
            /**
             * @default false
             */
            draft?: boolean | null;
            draft_of?: string | null;
            idempotency_key?: string | null;
            /**
             * @default 5
             */
            priority?: number | null;
            account?: string | null;
            deadline?: number | string | null;
            webhook_url?: string | null;
            metadata?: {
                [key: string]: components["schemas"]["JsonValue"];
            } | null;
            /**
             * @default []
             */
            tags?: string[] | null;
        };
        JsonValue: unknown;
        /**
         * @description What a key may spend.
         * @example {
         *       "purse": "20 USD"
         *     }
         */
        KeyPurse: {
            /**
             * @description An amount and its currency, or "none".
             */
            purse: string;
        };
        /**
         * @description How to replace a key.
         * @example {}
         * @example {
         *       "overlap_seconds": 3600
         *     }
         */
        KeyRotation: {
            /**
             * @description How long the old key works beside the new one.
             * @default 86400
             */
            overlap_seconds?: number;
            /**
             * @description Of the new key. Null: it never expires.
             */
            expires_in_seconds?: number | null;
        };
        /**
         * @description An account to add.
         * @example {
         *       "api_key": "KEY",
         *       "gateway": "ark",
         *       "name": "acme.main",
         *       "tenants": [
         *         "acme"
         *       ]
         *     }
         */
        NewAccount: {
            /**
             * @description The access token of the user, for lists at new-api gateways.
             */
            user_token?: string | null;
            /**
             * @description With which the gateway signs callbacks.
             */
            webhook_secret?: string | null;
            /**
             * @description Whose jobs it may serve; `*`: every tenant that no account names. Operators only.
             */
            tenants?: string[] | null;
            /**
             * @description Jobs at once.
             */
            max_in_flight?: number | null;
            requests_per_minute?: number | null;
            polls_per_minute?: number | null;
            callbacks?: boolean | null;
            default_model?: string | null;
            user_id?: number | null;
            /**
             * @description Operators only.
             */
            base_url?: string | null;
            /**
             * @description As `[accounts.models]`. Operators only.
             */
            models?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description What it pays. Operators only.
             */
            rates?: {
                [key: string]: unknown;
            }[] | null;
            /**
             * @description A tenant's admin begins it with the tenant's name and a dot.
             */
            name: string;
            gateway: string;
            /**
             * Api Key
             * Format: password
             * @description The account's key at the gateway; it is encrypted and never shown.
             */
            api_key: string;
        };
        /**
         * @description New secrets of an account. Those that are left out stay.
         * @example {
         *       "api_key": "KEY"
         *     }
         */
        NewAccountKey: {
            /**
             * @description The access token of the user, for lists at new-api gateways.
             */
            user_token?: string | null;
            /**
             * @description With which the gateway signs callbacks.
             */
            webhook_secret?: string | null;
            /**
             * Api Key
             * Format: password
             * @description The account's key at the gateway; it is encrypted and never shown.
             */
            api_key: string;
            /**
             * @description The old key does not work any more: tasks in flight use the new one, too.
             * @default false
             */
            revoked?: boolean;
            /**
             * @description It belongs to another project, which does not know uploaded assets.
             * @default false
             */
            other_project?: boolean;
        };
        /**
         * @description A batch to create.
         * @example {
         *       "completion_window": "24h",
         *       "endpoint": "/v1/videos",
         *       "input_file_id": "file-0198c0de000070008000000000000000"
         *     }
         */
        NewBatch: {
            input_file_id: string;
            /**
             * Endpoint
             * @constant
             */
            endpoint: "/v1/videos";
            /**
             * @description Such as 24h or 7d; at most 30d.
             */
            completion_window: string;
            metadata?: {
                [key: string]: string;
            } | null;
        };
        /**
         * @description A URL that will receive events.
         * @example {
         *       "url": "https://shop.example/hooks/reelq"
         *     }
         * @example {
         *       "events": [
         *         "job.succeeded",
         *         "job.failed"
         *       ],
         *       "url": "https://shop.example/hooks/reelq"
         *     }
         */
        NewEndpoint: {
            url: string;
            /**
             * @description The events it receives; empty or null: all of them.
             */
            events?: ("job.succeeded" | "job.failed" | "job.cancelled" | "job.unconfirmed" | "campaign.finished" | "campaign.review_ready" | "campaign.budget_80" | "campaign.budget_used_up" | "campaign.drafts_expiring")[] | null;
        };
        /**
         * @description A file to upload.
         */
        NewFileForm: {
            /** Format: binary */
            file?: string;
        };
        /**
         * @description A key to create.
         * @example {
         *       "expires_in_seconds": 7776000,
         *       "name": "backend",
         *       "scopes": [
         *         "enqueue",
         *         "read"
         *       ]
         *     }
         */
        NewKey: {
            /**
             * @description To recognise it.
             */
            name: string;
            /**
             * @default [
             *       "enqueue",
             *       "read"
             *     ]
             */
            scopes?: components["schemas"]["Scope"][];
            /**
             * @description Null: it never expires.
             */
            expires_in_seconds?: number | null;
            /**
             * @description For admins of tenant default: whose jobs the key is for. Null: your own.
             */
            tenant?: string | null;
        };
        /**
         * @description A form with one file.
         */
        NewUploadForm: {
            /** Format: binary */
            file: string;
        };
        /**
         * @description A new video, as JSON.
         * @example {
         *       "model": "seedance-2.0-fast",
         *       "prompt": "a red fox runs through fresh snow",
         *       "seconds": "4",
         *       "size": "1280x720"
         *     }
         */
        NewVideo: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description 4 to 30 (4 to 15 for 2.0), or -1 for automatic. Default: 4.
             */
            seconds?: string | null;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
            /**
             * @description The first frame.
             */
            input_reference?: components["schemas"]["ImageUrl"] | null;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description A new video, as a form.
         * @example {
         *       "model": "seedance-2.0-fast",
         *       "prompt": "a red fox runs through fresh snow",
         *       "seconds": "4",
         *       "size": "1280x720"
         *     }
         */
        NewVideoForm: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description 4 to 30 (4 to 15 for 2.0), or -1 for automatic. Default: 4.
             */
            seconds?: string | null;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
            /**
             * @description A picture, the first frame; or a clip.
             */
            input_reference?: string | null;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description A sheet to plan, and how to read it.
         */
        PlanForm: {
            /**
             * File
             * Format: binary
             * @description The sheet. Its name says what it is: .xlsx, .xls, .ods, .csv, .tsv, .jsonl, .yaml, …
             */
            file: string;
            /**
             * @description The campaign.
             */
            name?: string | null;
            /**
             * @description A template in YAML, as text or as a file.
             */
            template?: string | null;
            /**
             * @description A prompt with placeholders for columns.
             */
            prompt?: string | null;
            /**
             * @description The column that names a row.
             */
            key?: string | null;
            /**
             * @description Use a column as a field, as in "产品名=prompt". May be repeated.
             * @default []
             */
            map?: string[];
            /**
             * @description The sheet of a workbook.
             */
            sheet?: string | null;
            /**
             * @description The encoding of a text.
             */
            encoding?: string | null;
            /**
             * @description Between cells of a text.
             */
            delimiter?: string | null;
            /**
             * @description What it may spend, such as "100 CNY".
             */
            budget?: string | null;
            /**
             * @description Fetch the media that rows name by URL.
             * @default false
             */
            fetch?: boolean;
            /**
             * @description Make each row as a draft or a small cheap video first.
             * @default false
             */
            proof?: boolean;
            /**
             * @description For rows without one.
             */
            deadline?: string | null;
            /**
             * @description For rows without one: 0 to 9.
             */
            priority?: number | null;
            /**
             * @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once.
             */
            start_at?: string | null;
            /**
             * @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours.
             */
            quiet_hours?: string | null;
            /**
             * @description How many of its jobs are at gateways at once, at most.
             */
            max_concurrent?: number | null;
            /**
             * @description Of times without an offset and of quiet hours, as in "Asia/Shanghai".
             * @default UTC
             */
            time_zone?: string;
        };
        /**
         * @description RFC 9457 problem details; `error` repeats them for OpenAI's clients.
         * @example {
         *       "type": "urn:reelq:problem:invalid_request",
         *       "title": "Unprocessable Content",
         *       "status": 422,
         *       "detail": "duration: must be 4 to 30 seconds, or -1 for automatic, not 3",
         *       "code": "invalid_request",
         *       "instance": "/v1/jobs",
         *       "advice": "Correct the fields named in `errors`. Nothing was stored.",
         *       "errors": [
         *         {
         *           "field": "duration",
         *           "message": "must be 4 to 30 seconds, or -1 for automatic, not 3"
         *         }
         *       ],
         *       "error": {
         *         "message": "duration: must be 4 to 30 seconds, or -1 for automatic, not 3",
         *         "type": "invalid_request_error",
         *         "code": "invalid_request",
         *         "param": "duration"
         *       }
         *     }
         */
        ProblemDetails: {
            /**
             * @description `urn:reelq:problem:` and the code.
             */
            type: string;
            /**
             * @description The HTTP status in words.
             */
            title: string;
            /**
             * @description The HTTP status.
             */
            status: number;
            /**
             * @description What is wrong, and where. For people.
             */
            detail: string;
            /**
             * @description What is wrong, in one word. For programs; codes never change.
             */
            code: string;
            error: components["schemas"]["OpenAIError"];
            /**
             * @description The path of the request.
             * @default
             */
            instance?: string;
            /**
             * @description What to do about it.
             * @default
             */
            advice?: string;
            /**
             * @description Every field that is wrong.
             */
            errors?: components["schemas"]["FieldError"][];
            /**
             * @description True if more rows are wrong than `errors` names.
             * @default false
             */
            truncated?: boolean;
            /**
             * @description The row that conflicts, if the input has many.
             * @default
             */
            where?: string;
            /**
             * @description The job in question; null: a row of the same request.
             */
            job_id?: string | null;
            /**
             * @description Finds the error in the server's log (internal errors only).
             * @default
             */
            request_id?: string;
        };
        /**
         * @description A completed video again, with another prompt.
         * @example {
         *       "prompt": "the same at night"
         *     }
         */
        RemixedVideo: {
            prompt: string;
            /**
             * @description Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0.
             */
            model?: string | null;
            /**
             * @description 4 to 30 (4 to 15 for 2.0), or -1 for automatic. Default: 4.
             */
            seconds?: string | null;
            /**
             * @description In pixels. Default: 720x1280.
             */
            size?: string | null;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description Which messages to send again: those that are `dead`, or every message `since` an instant.
         * @example {
         *       "dead": true
         *     }
         * @example {
         *       "since": "2030-01-31T18:00:00Z"
         *     }
         */
        ReplayBody: {
            /**
             * @description Only messages whose delivery was given up.
             * @default false
             */
            dead?: boolean;
            /**
             * @description Only messages created then or later.
             */
            since?: string | null;
            /**
             * @description Only messages to this endpoint.
             */
            endpoint_id?: string | null;
        };
        /**
         * @description What to do with an unconfirmed job, after a look at the gateway.
         * @example {
         *       "action": "adopt",
         *       "task_id": "task_123"
         *     }
         * @example {
         *       "action": "resubmit"
         *     }
         */
        ResolveBody: {
            /**
             * @description `adopt`: the gateway has it, as `task_id`. `resubmit`: submit it again; it may be paid for twice. `abandon`: end it as failed.
             * @enum {string}
             */
            action: "adopt" | "resubmit" | "abandon";
            /**
             * @description The gateway's task; only with `adopt`.
             */
            task_id?: string | null;
            /**
             * @description With `adopt`: do not ask the gateway about the task first.
             * @default false
             */
            unchecked?: boolean;
        };
        /**
         * @description Which rows to approve or reject.
         * @example {
         *       "comment": "logo is sharp",
         *       "rows": "2-10,14"
         *     }
         * @example {
         *       "dry_run": true,
         *       "states": [
         *         "succeeded"
         *       ]
         *     }
         */
        ReviewRows: {
            /**
             * @description Numbers as a spreadsheet counts, such as "2-10,14".
             */
            rows?: string | null;
            /**
             * @description Values in the key column.
             * @default []
             */
            keys?: string[];
            /**
             * @description Ids of rows.
             * @default []
             */
            ids?: string[];
            /**
             * @description Rows in any of these states.
             * @default []
             */
            states?: components["schemas"]["JobState"][];
            /**
             * @description Rows with any of these reviews.
             * @default []
             */
            reviews?: components["schemas"]["Review"][];
            /**
             * @description Rows with any of these reasons.
             * @default []
             */
            reasons?: components["schemas"]["Reason"][];
            /**
             * @description Every row.
             * @default false
             */
            all?: boolean;
            /**
             * @description Ids of the chosen rows that a dry run showed as `acting`: no other row takes part, whatever has changed since. A repetition of the operation need not have them.
             */
            agreed?: string[] | null;
            /**
             * @description Say what would be done and what it costs; do nothing.
             * @default false
             */
            dry_run?: boolean;
            /**
             * @description An id of your own, or the header `Idempotency-Key`: the same request with the same id does nothing, and gets the same answer; another request with it is refused.
             */
            operation?: string | null;
            /**
             * @description Kept with the review.
             */
            comment?: string | null;
        };
        /**
         * @description Which rows: those that match everything that is given.
         * @example {
         *       "rows": "2-10,14"
         *     }
         * @example {
         *       "dry_run": true,
         *       "states": [
         *         "failed"
         *       ]
         *     }
         * @example {
         *       "all": true
         *     }
         */
        RowChoice: {
            /**
             * @description Numbers as a spreadsheet counts, such as "2-10,14".
             */
            rows?: string | null;
            /**
             * @description Values in the key column.
             * @default []
             */
            keys?: string[];
            /**
             * @description Ids of rows.
             * @default []
             */
            ids?: string[];
            /**
             * @description Rows in any of these states.
             * @default []
             */
            states?: components["schemas"]["JobState"][];
            /**
             * @description Rows with any of these reviews.
             * @default []
             */
            reviews?: components["schemas"]["Review"][];
            /**
             * @description Rows with any of these reasons.
             * @default []
             */
            reasons?: components["schemas"]["Reason"][];
            /**
             * @description Every row.
             * @default false
             */
            all?: boolean;
            /**
             * @description Ids of the chosen rows that a dry run showed as `acting`: no other row takes part, whatever has changed since. A repetition of the operation need not have them.
             */
            agreed?: string[] | null;
            /**
             * @description Say what would be done and what it costs; do nothing.
             * @default false
             */
            dry_run?: boolean;
            /**
             * @description An id of your own, or the header `Idempotency-Key`: the same request with the same id does nothing, and gets the same answer; another request with it is refused.
             */
            operation?: string | null;
        };
        /**
         * @description How to replace a secret.
         * @example {}
         * @example {
         *       "overlap_seconds": 0
         *     }
         */
        SecretRotation: {
            /**
             * @description For how long messages are signed with the previous secret too.
             * @default 86400
             */
            overlap_seconds?: number;
        };
        /**
         * @description What to change in rows that still wait.
         * @example {
         *       "all": true,
         *       "fields": {
         *         "priority": 9
         *       }
         *     }
         */
        SetRows: {
            /**
             * @description Numbers as a spreadsheet counts, such as "2-10,14".
             */
            rows?: string | null;
            /**
             * @description Values in the key column.
             * @default []
             */
            keys?: string[];
            /**
             * @description Ids of rows.
             * @default []
             */
            ids?: string[];
            /**
             * @description Rows in any of these states.
             * @default []
             */
            states?: components["schemas"]["JobState"][];
            /**
             * @description Rows with any of these reviews.
             * @default []
             */
            reviews?: components["schemas"]["Review"][];
            /**
             * @description Rows with any of these reasons.
             * @default []
             */
            reasons?: components["schemas"]["Reason"][];
            /**
             * @description Every row.
             * @default false
             */
            all?: boolean;
            /**
             * @description Ids of the chosen rows that a dry run showed as `acting`: no other row takes part, whatever has changed since. A repetition of the operation need not have them.
             */
            agreed?: string[] | null;
            /**
             * @description Say what would be done and what it costs; do nothing.
             * @default false
             */
            dry_run?: boolean;
            /**
             * @description An id of your own, or the header `Idempotency-Key`: the same request with the same id does nothing, and gets the same answer; another request with it is refused.
             */
            operation?: string | null;
            /**
             * @description Fields of jobs and their new values; null: as if it was not given.
             */
            fields: {
                [key: string]: components["schemas"]["JsonValue"];
            };
        };
        /**
         * @description A link to a campaign's videos that needs no key.
         * @example {}
         * @example {
         *       "approved_only": true,
         *       "days": 30
         *     }
         */
        ShareBody: {
            /**
             * @description How many days it works.
             * @default 7
             */
            days?: number;
            /**
             * @description Show approved videos only, not all that are not rejected.
             * @default false
             */
            approved_only?: boolean;
        };
        /**
         * @description A completed video by its id.
         */
        VideoId: {
            /**
             * Id
             * Format: uuid
             */
            id: string;
        };
        /**
         * @description Where to send a test event: a URL or an endpoint.
         * @example {
         *       "url": "https://shop.example/hooks/reelq"
         *     }
         */
        WebhookTest: {
            url?: string | null;
            endpoint_id?: string | null;
        };
    };
}
export interface operations {
    jobs_create_many: {
        parameters: {
            query?: {
                /** @description Store the good rows and report the others. */
                partial?: boolean;
                /** @description Use a column as a field, as in "产品名=prompt"; "COLUMN=" leaves it unused. May be repeated. */
                map?: string[] | null;
                /** @description The sheet of a workbook. Default: its only one. */
                sheet?: string | null;
                /** @description The encoding of a text, such as "gb18030". Default: the `charset` of `Content-Type` if it is not UTF-8, else it is found out. */
                encoding?: string | null;
                /** @description Between cells, such as ";" or "tab". Default: it is found out. */
                delimiter?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobBatch"];
                /**
                 * @example {"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}
                 *     {"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}
                 */
                "application/x-ndjson": string;
                /**
                 * @example prompt,duration
                 *     "a red fox in the snow",5
                 */
                "text/csv": string;
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                "application/vnd.ms-excel": string;
                "application/vnd.oasis.opendocument.spreadsheet": string;
            };
        };
        responses: {
            /** @description Every row is stored. */
            202: {
                content: {
                    "application/json": components["schemas"]["BatchReport"];
                };
            };
            /** @description With `partial`: some rows are refused, the others are stored. */
            207: {
                content: {
                    "application/json": components["schemas"]["BatchReport"];
                };
            };
        };
    };
    jobs_list: {
        parameters: {
            query?: {
                /** @description Any of these states. */
                state?: components["schemas"]["JobState"][] | null;
                /** @description The name of a campaign. */
                campaign?: string | null;
                /** @description All of these tags. */
                tag?: string[] | null;
                /** @description The name of an account. */
                account?: string | null;
                /** @description The job's own key. */
                idempotency_key?: string | null;
                /** @description Only ids that begin so; other filters do not count then. */
                id_prefix?: string | null;
                /** @description Created then or later. */
                created_after?: string | null;
                /** @description Created before then. */
                created_before?: string | null;
                /** @description Jobs per page. */
                limit?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of jobs. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobPage"];
                };
            };
        };
    };
    jobs_create: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `idempotency_key` in the body. The same key with the same request is the same job. */
                "Idempotency-Key"?: string;
            };
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobSpec"];
            };
        };
        responses: {
            /** @description The job is stored. `Idempotency-Replayed: true`: it was stored before, under its key. */
            202: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_retry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The new job. */
            202: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_finalize: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `idempotency_key` in the body. The same key with the same request is the same job. */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["FinalizeBody"];
            };
        };
        responses: {
            /** @description The final, a job of its own. `Idempotency-Replayed: true`: it was stored before. */
            202: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_get: {
        parameters: {
            query?: {
                /** @description Wait for news for at most this many seconds. */
                wait?: number;
            };
            header?: {
                /** @description The `ETag` of the version that you know. */
                "If-None-Match"?: string;
            };
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The job. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["CancelBody"];
            };
        };
        responses: {
            /** @description The job is cancelled. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
            /** @description A worker asks the gateway to cancel it. */
            202: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_resolve: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResolveBody"];
            };
        };
        responses: {
            /** @description The job. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_video: {
        parameters: {
            query?: {
                /** @description `1`: send the file through the API, with `Range`. `0`: redirect to a link into the bucket. Left out: redirect if you can reach the bucket. */
                proxy?: boolean | null;
                /** @description `1`: the video as every browser plays it (H.264, AAC, MP4): itself, or else a copy, which is made if there is none; the answer is 202 until it is ready. */
                playable?: boolean;
            };
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                content: {
                    "video/mp4": string;
                    "video/quicktime": string;
                };
            };
            /** @description The playable copy is being made. */
            202: {
                content: {
                    "application/json": components["schemas"]["CopyWaits"];
                };
            };
            /** @description The range of bytes that `Range` asks for. */
            206: {
                content: {
                    "video/mp4": string;
                    "video/quicktime": string;
                };
            };
        };
    };
    jobs_make_playable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The video, or a copy of it, plays in every browser. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
            /** @description The copy is being made. */
            202: {
                content: {
                    "application/json": components["schemas"]["JobResource"];
                };
            };
        };
    };
    jobs_poster: {
        parameters: {
            query?: {
                /** @description `1`: send the file through the API, with `Range`. `0`: redirect to a link into the bucket. Left out: redirect if you can reach the bucket. */
                proxy?: boolean | null;
            };
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                content: {
                    "image/jpeg": string;
                };
            };
            /** @description The range of bytes that `Range` asks for. */
            206: {
                content: {
                    "image/jpeg": string;
                };
            };
        };
    };
    jobs_last_frame: {
        parameters: {
            query?: {
                /** @description `1`: send the file through the API, with `Range`. `0`: redirect to a link into the bucket. Left out: redirect if you can reach the bucket. */
                proxy?: boolean | null;
            };
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                content: {
                    "image/png": string;
                    "image/jpeg": string;
                };
            };
            /** @description The range of bytes that `Range` asks for. */
            206: {
                content: {
                    "image/png": string;
                    "image/jpeg": string;
                };
            };
        };
    };
    jobs_attempts: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The attempts so far, and why the job waits now. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobAttempts"];
                };
            };
        };
    };
    keys_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every key. */
            200: {
                content: {
                    "application/json": components["schemas"]["KeyList"];
                };
            };
        };
    };
    keys_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKey"];
            };
        };
        responses: {
            /** @description The key may be used. */
            201: {
                content: {
                    "application/json": components["schemas"]["NewKeyResource"];
                };
            };
        };
    };
    keys_rotate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["KeyRotation"];
            };
        };
        responses: {
            /** @description The new key may be used. */
            201: {
                content: {
                    "application/json": components["schemas"]["NewKeyResource"];
                };
            };
        };
    };
    keys_purse: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The purse. */
            200: {
                content: {
                    "application/json": components["schemas"]["KeyPurseResource"];
                };
            };
        };
    };
    keys_set_purse: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KeyPurse"];
            };
        };
        responses: {
            /** @description The purse. */
            200: {
                content: {
                    "application/json": components["schemas"]["KeyPurseResource"];
                };
            };
        };
    };
    keys_revoke: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The key is revoked. */
            204: {
                content?: never;
            };
        };
    };
    decisions_list: {
        parameters: {
            query?: {
                /** @description Decisions per page. */
                limit?: number;
                /** @description The `next_cursor` of the previous page. */
                cursor?: number | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of decisions. */
            200: {
                content: {
                    "application/json": components["schemas"]["DecisionPage"];
                };
            };
        };
    };
    campaigns_decisions: {
        parameters: {
            query?: {
                /** @description Decisions per page. */
                limit?: number;
                /** @description The `next_cursor` of the previous page. */
                cursor?: number | null;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description One page of decisions. */
            200: {
                content: {
                    "application/json": components["schemas"]["DecisionPage"];
                };
            };
        };
    };
    campaigns_plan: {
        parameters: {
            query?: {
                /** @description The campaign that the rows are for: its known rows cost nothing again. */
                name?: string | null;
                /** @description What it may spend, such as "100 CNY". */
                budget?: string | null;
                /** @description Fetch the media that rows name by URL, each file once. */
                fetch?: boolean;
                /** @description The column, such as "SKU", that makes an edited row the same one. */
                key?: string | null;
                /** @description A prompt with placeholders for columns, such as "{{ product }} on a table". */
                prompt?: string | null;
                /** @description A template in YAML: fields, `defaults`, `matrix` and `variants`; see docs/campaigns.md. */
                template?: string | null;
                /** @description Use a column as a field, as in "产品名=prompt"; "COLUMN=" leaves it unused. May be repeated. */
                map?: string[] | null;
                /** @description The sheet of a workbook. Default: its only one. */
                sheet?: string | null;
                /** @description The encoding of a text, such as "gb18030". Default: the `charset` of `Content-Type` if it is not UTF-8, else it is found out. */
                encoding?: string | null;
                /** @description Between cells, such as ";" or "tab". Default: it is found out. */
                delimiter?: string | null;
                /** @description Make each row as a draft or a small cheap video first; approving it makes the final. The campaign remembers this. */
                proof?: boolean;
                /** @description For rows without one, as in "2026-12-04 18:00": a job that has not succeeded by then fails. */
                deadline?: string | null;
                /** @description For rows without one: 0 to 9, higher first. */
                priority?: number | null;
                /** @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once. */
                start_at?: string | null;
                /** @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours. */
                quiet_hours?: string | null;
                /** @description How many of its jobs are at gateways at once, at most. */
                max_concurrent?: number | null;
                /** @description Of times without an offset and of quiet hours, as in "Asia/Shanghai". */
                time_zone?: string;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["PlanForm"];
                "application/json": components["schemas"]["CampaignRows"];
                /**
                 * @example {"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}
                 *     {"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}
                 */
                "application/x-ndjson": string;
                /**
                 * @example prompt,duration
                 *     "a red fox in the snow",5
                 */
                "text/csv": string;
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                "application/vnd.ms-excel": string;
                "application/vnd.oasis.opendocument.spreadsheet": string;
            };
        };
        responses: {
            /** @description The plan. Bad rows are in it; they are no error of the request. */
            200: {
                content: {
                    "application/json": components["schemas"]["PlanResource"];
                };
            };
        };
    };
    campaigns_plan_errors: {
        parameters: {
            query?: {
                /** @description The kind of file; by default JSONL for JSONL, a workbook for a table. */
                format?: ("xlsx" | "csv" | "jsonl") | null;
                /** @description The campaign that the rows are for: its known rows cost nothing again. */
                name?: string | null;
                /** @description Fetch the media that rows name by URL, each file once. */
                fetch?: boolean;
                /** @description The column, such as "SKU", that makes an edited row the same one. */
                key?: string | null;
                /** @description A prompt with placeholders for columns, such as "{{ product }} on a table". */
                prompt?: string | null;
                /** @description A template in YAML: fields, `defaults`, `matrix` and `variants`; see docs/campaigns.md. */
                template?: string | null;
                /** @description Use a column as a field, as in "产品名=prompt"; "COLUMN=" leaves it unused. May be repeated. */
                map?: string[] | null;
                /** @description The sheet of a workbook. Default: its only one. */
                sheet?: string | null;
                /** @description The encoding of a text, such as "gb18030". Default: the `charset` of `Content-Type` if it is not UTF-8, else it is found out. */
                encoding?: string | null;
                /** @description Between cells, such as ";" or "tab". Default: it is found out. */
                delimiter?: string | null;
                /** @description Make each row as a draft or a small cheap video first; approving it makes the final. The campaign remembers this. */
                proof?: boolean;
                /** @description For rows without one, as in "2026-12-04 18:00": a job that has not succeeded by then fails. */
                deadline?: string | null;
                /** @description For rows without one: 0 to 9, higher first. */
                priority?: number | null;
                /** @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once. */
                start_at?: string | null;
                /** @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours. */
                quiet_hours?: string | null;
                /** @description How many of its jobs are at gateways at once, at most. */
                max_concurrent?: number | null;
                /** @description Of times without an offset and of quiet hours, as in "Asia/Shanghai". */
                time_zone?: string;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["ErrorsForm"];
                "application/json": components["schemas"]["CampaignRows"];
                /**
                 * @example {"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}
                 *     {"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}
                 */
                "application/x-ndjson": string;
                /**
                 * @example prompt,duration
                 *     "a red fox in the snow",5
                 */
                "text/csv": string;
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                "application/vnd.ms-excel": string;
                "application/vnd.oasis.opendocument.spreadsheet": string;
            };
        };
        responses: {
            /** @description The sheet. */
            200: {
                content: {
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                    "text/csv": string;
                    "application/x-ndjson": string;
                };
            };
        };
    };
    campaigns_export: {
        parameters: {
            query?: {
                /** @description The kind of file. */
                format?: "xlsx" | "csv" | "jsonl";
                /** @description Only rows in these states. */
                state?: components["schemas"]["JobState"][] | null;
                /** @description Only rows with these reviews. */
                review?: components["schemas"]["Review"][] | null;
                /** @description Put small pictures into a workbook of up to 2,000 rows. */
                posters?: boolean;
                /** @description The language of headings and reasons. */
                language?: "en" | "zh";
                /** @description How long the links work. */
                link_seconds?: number;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The sheet. */
            200: {
                content: {
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                    "text/csv": string;
                    "application/x-ndjson": string;
                };
            };
        };
    };
    campaigns_sheet: {
        parameters: {
            query?: {
                /** @description Only rows in these states. */
                state?: components["schemas"]["JobState"][] | null;
                /** @description Only rows with these reviews. */
                review?: components["schemas"]["Review"][] | null;
                /** @description The language of headings and reasons. */
                language?: "en" | "zh";
                /** @description How long the links work. */
                link_seconds?: number;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The page. */
            200: {
                content: {
                    "text/html": string;
                };
            };
        };
    };
    campaigns_shares: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description All links, with those that have ended. */
            200: {
                content: {
                    "application/json": components["schemas"]["ShareList"];
                };
            };
        };
    };
    campaigns_share: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ShareBody"];
            };
        };
        responses: {
            /** @description The link. Its URL cannot be read again. */
            201: {
                content: {
                    "application/json": components["schemas"]["NewShare"];
                };
            };
        };
    };
    campaigns_revoke_share: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                share_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The link has ended. */
            204: {
                content?: never;
            };
        };
    };
    campaigns_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The campaign by its rows. */
            200: {
                content: {
                    "application/json": components["schemas"]["CampaignOverview"];
                };
            };
        };
    };
    campaigns_rows: {
        parameters: {
            query?: {
                /** @description Only rows in these states. */
                state?: components["schemas"]["JobState"][] | null;
                /** @description Only rows with these reviews. */
                review?: components["schemas"]["Review"][] | null;
                /** @description Only rows with these reasons. */
                reason?: components["schemas"]["Reason"][] | null;
                /** @description Only rows with these values in the key column. */
                key?: string[] | null;
                /** @description Only rows with these numbers, as a spreadsheet counts: "2-10,14". */
                numbers?: string | null;
                /** @description Rows per page. */
                limit?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string | null;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description One page of rows. */
            200: {
                content: {
                    "application/json": components["schemas"]["RowPage"];
                };
            };
        };
    };
    campaigns_row: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                row_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The row. */
            200: {
                content: {
                    "application/json": components["schemas"]["CampaignRowDetail"];
                };
            };
        };
    };
    campaigns_videos: {
        parameters: {
            query?: {
                /** @description Only rows in these states. */
                state?: components["schemas"]["JobState"][] | null;
                /** @description Only rows with these reviews. */
                review?: components["schemas"]["Review"][] | null;
                /** @description Only rows with these reasons. */
                reason?: components["schemas"]["Reason"][] | null;
                /** @description Only rows with these values in the key column. */
                key?: string[] | null;
                /** @description Only rows with these numbers, as a spreadsheet counts: "2-10,14". */
                numbers?: string | null;
                /** @description The name of each file, such as "{sku}_{ratio}.mp4": columns, fields, {row}, {key}, {variant}, {job}; "/" makes folders. */
                file_name?: string | null;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The ZIP file. */
            200: {
                content: {
                    "application/zip": string;
                };
            };
        };
    };
    campaigns_approve: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReviewRows"];
            };
        };
        responses: {
            /** @description What was done, or would be. */
            200: {
                content: {
                    "application/json": components["schemas"]["RowDecision"];
                };
            };
        };
    };
    campaigns_reject: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReviewRows"];
            };
        };
        responses: {
            /** @description What was done, or would be. */
            200: {
                content: {
                    "application/json": components["schemas"]["RowDecision"];
                };
            };
        };
    };
    campaigns_reroll: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RowChoice"];
            };
        };
        responses: {
            /** @description What was done, or would be. */
            200: {
                content: {
                    "application/json": components["schemas"]["RowDecision"];
                };
            };
        };
    };
    campaigns_retry: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RowChoice"];
            };
        };
        responses: {
            /** @description What was done, or would be. */
            200: {
                content: {
                    "application/json": components["schemas"]["RowDecision"];
                };
            };
        };
    };
    campaigns_set: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SetRows"];
            };
        };
        responses: {
            /** @description What was done, or would be. */
            200: {
                content: {
                    "application/json": components["schemas"]["RowDecision"];
                };
            };
        };
    };
    campaigns_cancel: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["CancelRows"];
            };
        };
        responses: {
            /** @description What happened to the jobs. */
            200: {
                content: {
                    "application/json": components["schemas"]["CancelAnswer"];
                };
            };
        };
    };
    campaigns_resume: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `operation` in the body: the same request with the same key does nothing, and gets the same answer; another request with it is refused. */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RowChoice"];
            };
        };
        responses: {
            /** @description The campaign, or the decision. */
            200: {
                content: {
                    "application/json": components["schemas"]["ResumeAnswer"];
                };
            };
        };
    };
    campaigns_list: {
        parameters: {
            query?: {
                /** @description Campaigns per page. */
                limit?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of campaigns. */
            200: {
                content: {
                    "application/json": components["schemas"]["CampaignPage"];
                };
            };
        };
    };
    campaigns_create: {
        parameters: {
            query?: {
                /** @description The campaign; needed, unless a form names it. Rows added later under the same name join it. */
                name?: string | null;
                /** @description Check every row and estimate the cost; store nothing. */
                dry_run?: boolean;
                /** @description What the campaign may spend, such as "100 CNY"; "none": no limit. */
                budget?: string | null;
                /** @description Its share of the slots, relative to the tenant's other campaigns. */
                weight?: number | null;
                /** @description Submit only this number of rows; the rest waits for a resume. */
                first?: number | null;
                /** @description Store everything; submit nothing before a resume. */
                paused?: boolean;
                /** @description Store the good rows although some are bad. */
                skip_bad?: boolean;
                /** @description Fetch the media that rows name by URL before anything else. */
                fetch?: boolean;
                /** @description Who gets mail about the campaign; "none": no one; "default": those whom the tenant names. */
                notify?: string[] | null;
                /** @description The column, such as "SKU", that makes an edited row the same one. */
                key?: string | null;
                /** @description A prompt with placeholders for columns, such as "{{ product }} on a table". */
                prompt?: string | null;
                /** @description A template in YAML: fields, `defaults`, `matrix` and `variants`; see docs/campaigns.md. */
                template?: string | null;
                /** @description Use a column as a field, as in "产品名=prompt"; "COLUMN=" leaves it unused. May be repeated. */
                map?: string[] | null;
                /** @description The sheet of a workbook. Default: its only one. */
                sheet?: string | null;
                /** @description The encoding of a text, such as "gb18030". Default: the `charset` of `Content-Type` if it is not UTF-8, else it is found out. */
                encoding?: string | null;
                /** @description Between cells, such as ";" or "tab". Default: it is found out. */
                delimiter?: string | null;
                /** @description Make each row as a draft or a small cheap video first; approving it makes the final. The campaign remembers this. */
                proof?: boolean;
                /** @description For rows without one, as in "2026-12-04 18:00": a job that has not succeeded by then fails. */
                deadline?: string | null;
                /** @description For rows without one: 0 to 9, higher first. */
                priority?: number | null;
                /** @description Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once. */
                start_at?: string | null;
                /** @description Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours. */
                quiet_hours?: string | null;
                /** @description How many of its jobs are at gateways at once, at most. */
                max_concurrent?: number | null;
                /** @description Of times without an offset and of quiet hours, as in "Asia/Shanghai". */
                time_zone?: string;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["CampaignForm"];
                "application/json": components["schemas"]["CampaignRows"];
                /**
                 * @example {"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}
                 *     {"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}
                 */
                "application/x-ndjson": string;
                /**
                 * @example prompt,duration
                 *     "a red fox in the snow",5
                 */
                "text/csv": string;
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                "application/vnd.ms-excel": string;
                "application/vnd.oasis.opendocument.spreadsheet": string;
            };
        };
        responses: {
            /** @description A dry run: nothing is stored. */
            200: {
                content: {
                    "application/json": components["schemas"]["CheckedCampaign"];
                };
            };
            /** @description Every row is stored. */
            202: {
                content: {
                    "application/json": components["schemas"]["StoredCampaign"];
                };
            };
        };
    };
    campaigns_manifest: {
        parameters: {
            query?: {
                /** @description How long the links to the videos work. */
                link_seconds?: number;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description One job per line. */
            200: {
                content: {
                    "application/x-ndjson": string;
                };
            };
        };
    };
    campaigns_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The campaign. */
            200: {
                content: {
                    "application/json": components["schemas"]["CampaignResource"];
                };
            };
        };
    };
    campaigns_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CampaignChange"];
            };
        };
        responses: {
            /** @description The campaign. */
            200: {
                content: {
                    "application/json": components["schemas"]["CampaignResource"];
                };
            };
        };
    };
    campaigns_pause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The campaign. */
            200: {
                content: {
                    "application/json": components["schemas"]["CampaignResource"];
                };
            };
        };
    };
    jobs_timeline: {
        parameters: {
            query?: {
                /** @description The same, for clients that cannot set the header. */
                after?: number | null;
            };
            header?: never;
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The job's events so far. */
            200: {
                content: {
                    "application/json": components["schemas"]["JobTimeline"];
                };
            };
        };
    };
    jobs_events: {
        parameters: {
            query?: {
                /** @description The same, for clients that cannot set the header. */
                after?: number | null;
            };
            header?: {
                /** @description Continue after the event with this id. */
                "last-event-id"?: number | null;
            };
            path: {
                job_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The job's events: those so far, and those to come. */
            200: {
                content: {
                    /**
                     * @example id: 7
                     *     data: {"id": 7, "target": "generating"}
                     */
                    "text/event-stream": string;
                };
            };
            /** @description The job is terminal and you have every event. */
            204: {
                content?: never;
            };
        };
    };
    events_stream: {
        parameters: {
            query?: {
                /** @description The same, for clients that cannot set the header. */
                after?: string | null;
                /** @description Only of this campaign. */
                campaign?: string | null;
                /** @description Only jobs that came into one of these. */
                state?: components["schemas"]["JobState"][] | null;
                /** @description Only jobs with all of these tags. */
                tag?: string[] | null;
            };
            header?: {
                /** @description Continue after the event with this `id:`: its number, and more if numbers below may still come. */
                "last-event-id"?: string | null;
            };
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events, without end. */
            200: {
                content: {
                    /**
                     * @example id: 7
                     *     data: {"id": 7, "target": "succeeded", "job": {"state": "succeeded", "campaign": "spring", "tags": ["fox"]}}
                     */
                    "text/event-stream": string;
                };
            };
        };
    };
    jobs_estimate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobSpec"];
            };
        };
        responses: {
            /** @description The estimates. */
            200: {
                content: {
                    "application/json": components["schemas"]["Estimates"];
                };
            };
        };
    };
    capabilities_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What each account's gateway can do. */
            200: {
                content: {
                    "application/json": components["schemas"]["CapabilityList"];
                };
            };
        };
    };
    capabilities_models: {
        parameters: {
            query?: {
                /** @description This account only. */
                account?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The models. */
            200: {
                content: {
                    "application/json": components["schemas"]["Catalog"];
                };
            };
        };
    };
    jobs_explain: {
        parameters: {
            query?: {
                /** @description This account only. */
                account?: string | null;
                /** @description Use a column as a field, as in "产品名=prompt"; "COLUMN=" leaves it unused. May be repeated. */
                map?: string[] | null;
                /** @description The sheet of a workbook. Default: its only one. */
                sheet?: string | null;
                /** @description The encoding of a text, such as "gb18030". Default: the `charset` of `Content-Type` if it is not UTF-8, else it is found out. */
                encoding?: string | null;
                /** @description Between cells, such as ";" or "tab". Default: it is found out. */
                delimiter?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobBatch"];
                /**
                 * @example {"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}
                 *     {"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}
                 */
                "application/x-ndjson": string;
                /**
                 * @example prompt,duration
                 *     "a red fox in the snow",5
                 */
                "text/csv": string;
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": string;
                "application/vnd.ms-excel": string;
                "application/vnd.oasis.opendocument.spreadsheet": string;
            };
        };
        responses: {
            /** @description The jobs, in the order of the rows. */
            200: {
                content: {
                    "application/json": components["schemas"]["ExplainedJobs"];
                };
            };
        };
    };
    tenant_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant of the key. */
            200: {
                content: {
                    "application/json": components["schemas"]["TenantResource"];
                };
            };
        };
    };
    assets_list: {
        parameters: {
            query?: {
                /** @description The account; not needed if only one takes assets. */
                account?: string | null;
                /** @description Ask the gateway of one account instead of the database. */
                remote?: boolean;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The assets, oldest first. */
            200: {
                content: {
                    "application/json": components["schemas"]["AssetList"];
                };
            };
        };
    };
    assets_upload: {
        parameters: {
            query?: {
                /** @description The account; not needed if only one takes assets. */
                account?: string | null;
                /** @description The group of a new asset. */
                group?: string;
                /** @description The file's name, for the gateway. */
                name?: string | null;
                /** @description Seconds until it must be usable. */
                wait?: number;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "image/*": string;
                "video/*": string;
                "audio/*": string;
                "multipart/form-data": components["schemas"]["NewUploadForm"];
            };
        };
        responses: {
            /** @description The result. */
            200: {
                content: {
                    "application/json": components["schemas"]["AssetUpload"];
                };
            };
        };
    };
    accounts_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The accounts, in the order they are tried. */
            200: {
                content: {
                    "application/json": components["schemas"]["AccountList"];
                };
            };
        };
    };
    accounts_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewAccount"];
            };
        };
        responses: {
            /** @description The account takes jobs within seconds. */
            201: {
                content: {
                    "application/json": components["schemas"]["AccountResource"];
                };
            };
        };
    };
    accounts_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The account. */
            200: {
                content: {
                    "application/json": components["schemas"]["AccountResource"];
                };
            };
        };
    };
    accounts_delete: {
        parameters: {
            query?: {
                /** @description Submit nothing more, and remove it when its last task has ended. */
                drain?: boolean;
            };
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The account is removed, or with `drain` will be. */
            204: {
                content?: never;
            };
        };
    };
    accounts_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AccountChange"];
            };
        };
        responses: {
            /** @description The account as it is now. */
            200: {
                content: {
                    "application/json": components["schemas"]["AccountResource"];
                };
            };
        };
    };
    accounts_rekey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewAccountKey"];
            };
        };
        responses: {
            /** @description New jobs use the new key. */
            200: {
                content: {
                    "application/json": components["schemas"]["AccountResource"];
                };
            };
        };
    };
    accounts_pause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The account takes no new job. */
            200: {
                content: {
                    "application/json": components["schemas"]["AccountResource"];
                };
            };
        };
    };
    accounts_resume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The account takes jobs again. */
            200: {
                content: {
                    "application/json": components["schemas"]["AccountResource"];
                };
            };
        };
    };
    uploads_list: {
        parameters: {
            query?: {
                /** @description Files per page. */
                limit?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of files. */
            200: {
                content: {
                    "application/json": components["schemas"]["UploadPage"];
                };
            };
        };
    };
    uploads_create: {
        parameters: {
            query?: {
                /** @description The file's name, for people. */
                name?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "image/*": string;
                "video/*": string;
                "audio/*": string;
                "multipart/form-data": components["schemas"]["NewUploadForm"];
            };
        };
        responses: {
            /** @description The file is stored; jobs may name its `url`. */
            201: {
                content: {
                    "application/json": components["schemas"]["UploadResource"];
                };
            };
        };
    };
    uploads_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                content: {
                    "application/json": components["schemas"]["UploadResource"];
                };
            };
        };
    };
    uploads_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file is deleted. */
            204: {
                content?: never;
            };
        };
    };
    videos_list: {
        parameters: {
            query?: {
                /** @description `last_id` of the previous page. */
                after?: string | null;
                /** @description Videos per page. */
                limit?: number;
                /** @description By creation time. */
                order?: "asc" | "desc";
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of videos. */
            200: {
                content: {
                    "application/json": components["schemas"]["VideoPage"];
                };
            };
        };
    };
    videos_create: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `idempotency_key` in the body. The same key with the same request is the same job. */
                "Idempotency-Key"?: string;
            };
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewVideo"];
                "multipart/form-data": components["schemas"]["NewVideoForm"];
            };
        };
        responses: {
            /** @description The video. `Idempotency-Replayed: true`: it was stored before, under its key. */
            200: {
                content: {
                    "application/json": components["schemas"]["VideoResource"];
                };
            };
        };
    };
    videos_edit: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `idempotency_key` in the body. The same key with the same request is the same job. */
                "Idempotency-Key"?: string;
            };
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EditedVideo"];
                "multipart/form-data": components["schemas"]["EditedVideoForm"];
            };
        };
        responses: {
            /** @description The video. `Idempotency-Replayed: true`: it was stored before, under its key. */
            200: {
                content: {
                    "application/json": components["schemas"]["VideoResource"];
                };
            };
        };
    };
    videos_extend: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `idempotency_key` in the body. The same key with the same request is the same job. */
                "Idempotency-Key"?: string;
            };
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExtendedVideo"];
                "multipart/form-data": components["schemas"]["ExtendedVideoForm"];
            };
        };
        responses: {
            /** @description The video. `Idempotency-Replayed: true`: it was stored before, under its key. */
            200: {
                content: {
                    "application/json": components["schemas"]["VideoResource"];
                };
            };
        };
    };
    videos_remix: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same as `idempotency_key` in the body. The same key with the same request is the same job. */
                "Idempotency-Key"?: string;
            };
            path: {
                video_id: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RemixedVideo"];
            };
        };
        responses: {
            /** @description The video. `Idempotency-Replayed: true`: it was stored before, under its key. */
            200: {
                content: {
                    "application/json": components["schemas"]["VideoResource"];
                };
            };
        };
    };
    videos_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                video_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The video. */
            200: {
                content: {
                    "application/json": components["schemas"]["VideoResource"];
                };
            };
        };
    };
    videos_delete: {
        parameters: {
            query?: {
                /** @description Also a video that was submitted and will be billed. */
                discard?: boolean;
            };
            header?: never;
            path: {
                video_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The video and its files are removed. */
            200: {
                content: {
                    "application/json": components["schemas"]["DeletedVideo"];
                };
            };
        };
    };
    videos_content: {
        parameters: {
            query?: {
                /** @description `video`: the MP4. `thumbnail`: its first frame as a JPEG. `spritesheet`: not supported. */
                variant?: "video" | "thumbnail" | "spritesheet";
            };
            header?: never;
            path: {
                video_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                content: {
                    "video/mp4": string;
                    "image/jpeg": string;
                };
            };
            /** @description The range of bytes that `Range` asks for. */
            206: {
                content: {
                    "video/mp4": string;
                    "image/jpeg": string;
                };
            };
        };
    };
    models_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The models. */
            200: {
                content: {
                    "application/json": components["schemas"]["ModelList"];
                };
            };
        };
    };
    models_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                model: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The model. */
            200: {
                content: {
                    "application/json": components["schemas"]["ModelResource"];
                };
            };
        };
    };
    files_list: {
        parameters: {
            query?: {
                /** @description `last_id` of the previous page. */
                after?: string | null;
                /** @description Files per page. */
                limit?: number;
                /** @description Newest first. */
                order?: "desc";
                /** @description Only files with this purpose. */
                purpose?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of files. */
            200: {
                content: {
                    "application/json": components["schemas"]["FilePage"];
                };
            };
        };
    };
    files_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["NewFileForm"];
            };
        };
        responses: {
            /** @description The file is stored. */
            200: {
                content: {
                    "application/json": components["schemas"]["FileResource"];
                };
            };
        };
    };
    files_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                content: {
                    "application/json": components["schemas"]["FileResource"];
                };
            };
        };
    };
    files_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The file is gone. */
            200: {
                content: {
                    "application/json": components["schemas"]["DeletedFile"];
                };
            };
        };
    };
    files_content: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The lines. */
            200: {
                content: {
                    "application/x-ndjson": string;
                };
            };
        };
    };
    batches_list: {
        parameters: {
            query?: {
                /** @description `last_id` of the previous page. */
                after?: string | null;
                /** @description Batches per page. */
                limit?: number;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of batches. */
            200: {
                content: {
                    "application/json": components["schemas"]["BatchPage"];
                };
            };
        };
    };
    batches_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewBatch"];
            };
        };
        responses: {
            /** @description The batch is stored; its requests become jobs part by part. */
            200: {
                content: {
                    "application/json": components["schemas"]["BatchResource"];
                };
            };
        };
    };
    batches_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                batch_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The batch. */
            200: {
                content: {
                    "application/json": components["schemas"]["BatchResource"];
                };
            };
        };
    };
    batches_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                batch_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The batch is being cancelled. */
            200: {
                content: {
                    "application/json": components["schemas"]["BatchResource"];
                };
            };
        };
    };
    webhook_endpoints_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every endpoint. */
            200: {
                content: {
                    "application/json": components["schemas"]["EndpointList"];
                };
            };
        };
    };
    webhook_endpoints_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewEndpoint"];
            };
        };
        responses: {
            /** @description The endpoint receives events from now on. */
            201: {
                content: {
                    "application/json": components["schemas"]["EndpointWithSecret"];
                };
            };
        };
    };
    webhook_endpoints_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                endpoint_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The endpoint. */
            200: {
                content: {
                    "application/json": components["schemas"]["EndpointResource"];
                };
            };
        };
    };
    webhook_endpoints_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                endpoint_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The endpoint is removed. */
            204: {
                content?: never;
            };
        };
    };
    webhook_endpoints_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                endpoint_id: string;
            };
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EndpointChange"];
            };
        };
        responses: {
            /** @description The endpoint. */
            200: {
                content: {
                    "application/json": components["schemas"]["EndpointResource"];
                };
            };
        };
    };
    webhook_endpoints_rotate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                endpoint_id: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["SecretRotation"];
            };
        };
        responses: {
            /** @description The endpoint with its new secret. */
            200: {
                content: {
                    "application/json": components["schemas"]["EndpointWithSecret"];
                };
            };
        };
    };
    webhooks_secret: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The secrets, the new one first. */
            200: {
                content: {
                    "application/json": components["schemas"]["WebhookSecrets"];
                };
            };
        };
    };
    webhook_messages_list: {
        parameters: {
            query?: {
                /** @description Any of these states. */
                state?: components["schemas"]["MessageState"][] | null;
                /** @description To this endpoint. */
                endpoint_id?: string | null;
                /** @description About this job. */
                job_id?: string | null;
                /** @description The event, such as job.succeeded. */
                type?: string | null;
                /** @description Created then or later. */
                since?: string | null;
                /** @description Messages per page. */
                limit?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of messages. */
            200: {
                content: {
                    "application/json": components["schemas"]["MessagePage"];
                };
            };
        };
    };
    webhook_messages_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                message_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The message. */
            200: {
                content: {
                    "application/json": components["schemas"]["MessageResource"];
                };
            };
        };
    };
    webhook_messages_replay: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                message_id: string;
            };
        };
        requestBody?: never;
        responses: {
            /** @description The message will be sent again. */
            202: {
                content: {
                    "application/json": components["schemas"]["MessageResource"];
                };
            };
        };
    };
    webhook_messages_replay_many: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReplayBody"];
            };
        };
        responses: {
            /** @description The messages will be sent again. */
            202: {
                content: {
                    "application/json": components["schemas"]["ReplayedMessages"];
                };
            };
        };
    };
    webhooks_test: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WebhookTest"];
            };
        };
        responses: {
            /** @description The message was sent once; its state says with what result. */
            200: {
                content: {
                    "application/json": components["schemas"]["MessageResource"];
                };
            };
            /** @description Not sent within 30 s; look at the message later. */
            202: {
                content: {
                    "application/json": components["schemas"]["MessageResource"];
                };
            };
        };
    };
    callbacks_receive: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                gateway: string;
                token: string;
            };
        };
        requestBody?: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            /** @description Callback accepted; the job will be polled, unless it is terminal. */
            200: {
                content: {
                    "application/json": components["schemas"]["CallbackReceived"];
                };
            };
        };
    };
    health_live: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process is alive. */
            200: {
                content: {
                    "application/json": components["schemas"]["HealthReport"];
                };
            };
        };
    };
    health_ready: {
        parameters: {
            query?: {
                /**
                 * @description `jobs`: 503 unless jobs can run. `intake`: 503 only if jobs cannot be taken and stored, for a load balancer:
                 *     while the broker, the bucket or a worker is down, the API still takes jobs, which run later.
                 */
                for?: "jobs" | "intake";
            };
            header?: never;
            path?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Ready. */
            200: {
                content: {
                    "application/json": components["schemas"]["ReadinessReport"];
                };
            };
        };
    };
}
