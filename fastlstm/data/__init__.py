"""Reading and writing tables, data sets, and cutting documents into batches."""
