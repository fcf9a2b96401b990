"""SQL from anybody: `gate` says what may run, `child` runs it, `mistakes` tells errors."""
