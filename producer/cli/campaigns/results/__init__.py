"""The commands that give back what became of a campaign: export, download, sheet, share."""
