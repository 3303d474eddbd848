INSERT INTO doma_panda.mv_jobsactive4_stats VALUES
  ('CERN', 'SCORE', 'managed', 'activated', 12), ('CERN', 'SCORE', 'managed', 'running', 3),
  ('CERN', 'MCORE', 'managed', 'activated', 4), ('CERN', 'MCORE', 'user', 'sent', 1),
  ('CERN', 'SCORE', 'managed', 'merging', 9), ('BNL', 'SCORE', 'managed', 'activated', 1),
  ('BNL', NULL, NULL, 'holding', 2), (NULL, 'SCORE', 'managed', 'activated', 1),
  ('TRIUMF', 'SCORE', 'managed', 'activated', 7);
INSERT INTO doma_panda.jobsdefined4 VALUES
  ('CERN', 'SCORE', 'managed', 'assigned'), ('CERN', 'SCORE', 'managed', 'defined');
INSERT INTO doma_panda.resource_types VALUES
  ('SCORE', 1, 1, 0, 2000), ('MCORE', 2, NULL, 0, 2000);
INSERT INTO doma_panda.schedconfig_json VALUES
  ('CERN', '{"status": "online", "corecount": 8, "maxrss": 16000, "minrss": 0, "nickname": "CERN", "type": "unified",
             "cloud": "WORLD", "capability": "ucore"}'),
  ('BNL', '{"status": "test", "corecount": 1, "maxrss": 2000, "type": "production", "cloud": "US"}'),
  ('TRIUMF', '{"status": "offline", "corecount": 4, "maxrss": 8000, "nickname": "TRIUMF", "type": "production",
               "cloud": "CA"}');
