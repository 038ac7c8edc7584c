"""What Seedance's models can do, and what each gateway sells of them: data in TOML files, and the rows made of it."""
