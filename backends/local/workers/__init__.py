"""The processes that train: started, watched, restarted."""
