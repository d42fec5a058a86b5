"""The sentiment decoders: the one table that names them.

A new decoder is a module with its class, and an entry here; then a config of
``conf/sentiment`` may name it, and so may ESPnet's classification task.
"""

# Name in a config -> ``module:class``, imported when it is asked for.
DECODERS = {
    "rnn_attention": "espnet_sentiment.decoder.rnn_attention:RNNAttentionDecoder",
    "rnn_pooling": "espnet_sentiment.decoder.rnn_pooling:RNNPoolingDecoder",
    "mlp_pooling": "espnet_sentiment.decoder.mlp_pooling:MLPPoolingDecoder",
    "stats_pooling": "espnet_sentiment.decoder.stats_pooling:StatsPoolingDecoder",
    "cnn_pooling": "espnet_sentiment.decoder.cnn_pooling:CNNPoolingDecoder",
}
