SELECT access.isolate('pipelines'), access.isolate('deleted_pipelines');
