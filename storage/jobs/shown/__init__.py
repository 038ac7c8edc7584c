"""Jobs as they are shown: in answers, in webhooks and beside their videos."""
