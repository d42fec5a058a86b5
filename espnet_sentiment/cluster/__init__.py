"""Work in shards on one machine or many, through Dask and espnet3.parallel."""
