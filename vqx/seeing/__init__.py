"""Pictures that a trained tokenizer makes: of a user's own images, their codes, its codebook."""
