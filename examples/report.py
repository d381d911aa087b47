"""A report of a training run, and a page of the errors on other documents."""

import csv

from fastlstm import datasets, load
from fastlstm.cli import main
from fastlstm.explain import confident_errors, explanation_page

train = datasets.load_reviews(language="en", split="train")
with open("reviews.csv", "w", newline="", encoding="utf-8") as file:
    csv.writer(file).writerows([("text", "label"), *zip(train.texts, train.labels, strict=True)])

# The command of the same name, called from Python.
command = "train reviews.csv --out reviews.fastlstm --report report.html --force"
main(command.split(), standalone_mode=False)

clf = load("reviews.fastlstm")
test = datasets.load_reviews(language="en", split="test")
errors = confident_errors(clf, test.texts, test.labels, n=5)
page = explanation_page([error.explanation for error in errors], title="Confident errors")
with open("errors.html", "w", encoding="utf-8") as file:
    file.write(page)
