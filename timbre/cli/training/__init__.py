"""Commands that train and evaluate spaces."""
