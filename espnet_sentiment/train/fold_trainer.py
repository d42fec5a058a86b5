from espnet_sentiment.tasks.sentiment_trainer import SentimentTrainer
class FoldTrainer(SentimentTrainer):
    pass
