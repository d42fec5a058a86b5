"""Model folders and packs: sharing a trained model, and finding a shared one."""
