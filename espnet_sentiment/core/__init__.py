"""Files, configs, entry points and downloads: what everything else stands on."""
