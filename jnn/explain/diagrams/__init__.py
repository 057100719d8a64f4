"""Diagrams of models: their structure as data, and its picture."""
