"""scikit-learn estimators over the same methods: what is labelled teaches what is not."""
