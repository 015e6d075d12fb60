"""The one core of estimators and label job: rows and labels → a task, solved, with an answer for every row."""
