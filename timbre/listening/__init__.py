"""Blind listening tests: a page that anybody can put on a web host, and the statistics of its results."""

from timbre.listening.design import TASKS, ListeningTest, Stimulus, Trial
from timbre.listening.making import make_test
from timbre.listening.results import Answer, Answers, read_answers
from timbre.listening.scores import Scores, score
from timbre.listening.stimuli import was_trained_on
from timbre.listening.studies import rated, write_study

__all__ = [
    "TASKS",
    "Answer",
    "Answers",
    "ListeningTest",
    "Scores",
    "Stimulus",
    "Trial",
    "make_test",
    "rated",
    "read_answers",
    "score",
    "was_trained_on",
    "write_study",
]
