BEGIN TRANSACTION;
CREATE TABLE modlog_accounts (
    stream INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    in_order INTEGER NOT NULL,
    profile TEXT NOT NULL
) STRICT;
INSERT INTO "modlog_accounts" VALUES(1,8,1769860080000000,1,'{"nickname":"Lei"}');
INSERT INTO "modlog_accounts" VALUES(6,7,1769860080000000,1,'{"nickname":"2"}');
INSERT INTO "modlog_accounts" VALUES(7,9,1769860080000002,0,'{"nickname":"3"}');
INSERT INTO "modlog_accounts" VALUES(8,9,1769860080000012,1,'{"nickname":"4"}');
INSERT INTO "modlog_accounts" VALUES(9,4,1769860080000007,1,'{"nickname":"5"}');
INSERT INTO "modlog_accounts" VALUES(10,2,1769860080000003,1,'{}');
INSERT INTO "modlog_accounts" VALUES(22,4,1769773440000000,1,'{"nickname":"ü"}');
INSERT INTO "modlog_accounts" VALUES(23,3,1735386240000000,0,'{}');
INSERT INTO "modlog_accounts" VALUES(27,2,1735731840000000,1,'{}');
INSERT INTO "modlog_accounts" VALUES(40,3,1769860020000005,1,'{}');
CREATE TABLE modlog_acts (
    number INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    type TEXT NOT NULL,
    schema INTEGER,
    actor_kind TEXT,
    actor_id TEXT,
    actor_version TEXT,
    actor_account_id TEXT,
    reason TEXT,
    policy TEXT,
    batch_id TEXT,
    confidence REAL,
    correlation_id TEXT,
    metadata TEXT
) STRICT;
INSERT INTO "modlog_acts" VALUES(1,1769859840000000,'account.created',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(2,1769859840000001,'profile.changed',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(3,1769859840000002,'account.flagged',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(4,1769859840000003,'account.flagged',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(5,1769859840000004,'flags.cleared',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(6,1769859840000005,'account.created',1,'system','registration',NULL,NULL,'clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(7,1769859840000006,'account.created',1,'system','registration',NULL,NULL,'clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(8,1769859840000007,'account.created',1,'system','registration',NULL,NULL,'clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(9,1769859840000008,'account.created',1,'system','registration',NULL,NULL,'clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(10,1769859840000009,'account.created',1,'system','registration',NULL,NULL,'clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(11,1769859840000010,'account.protected',1,'model','m','2026-01',NULL,'clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(12,1769859840000011,'account.unprotected',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(13,1769859840000012,'account.protected',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(14,1769859840000013,'account.suspended',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(15,1769859840000014,'account.restored',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(16,1769859840000015,'account.suspended',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(17,1769859840000016,'account.noted',1,'human','wan',NULL,'1','clean-up','illegal-content','b1',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(18,1769859900000000,'account.deleted',1,'human','wan',NULL,'1','illegal content','illegal-content',NULL,0.75,'ticket-7',NULL);
INSERT INTO "modlog_acts" VALUES(19,1769859900000001,'account.noted',1,'human','mei',NULL,NULL,'two at once',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(21,1769859900000002,'shop:Ordered',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(22,1769859960000000,'account.created',1,'bot','b',NULL,NULL,'imported with import-reject',NULL,'import-reject',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(23,1769859960000000,'account.created',1,'system','import',NULL,NULL,'first seen in a record imported with import-reject',NULL,'import-reject',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(24,1769859960000000,'account.suspended',1,'bot','b',NULL,NULL,'spam',NULL,'import-reject',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(25,1769859960000000,'account.flagged',1,'bot','b',NULL,NULL,'imported with import-reject',NULL,'import-reject',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(26,1769859960000000,'account.noted',1,'bot','b',NULL,NULL,'imported with import-reject','p','of-its-own',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(27,1769859960000001,'account.created',1,'system','import',NULL,NULL,'first seen in a record imported with import-reject',NULL,'import-reject',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(28,1769859960000001,'account.deleted',1,'bot','b',NULL,NULL,'imported with import-reject',NULL,'import-reject',0.5,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(29,1769859960000002,'account.noted',1,'bot','b',NULL,NULL,'imported with import-note','p','of-its-own',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(30,1769859960000003,'sweep.planned',1,'human','wan',NULL,'1','illegal content','illegal-content','march',0.5,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(31,1769859960000004,'sweep.approved',1,'human','mei',NULL,NULL,NULL,NULL,'march',NULL,'ticket-9',NULL);
INSERT INTO "modlog_acts" VALUES(32,1769860020000000,'account.deleted',1,'human','wan',NULL,'1','illegal content','illegal-content','march',0.5,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(36,1769860020000000,'sweep.progressed',1,'bot','sweeper','2',NULL,'illegal content','illegal-content','march',0.5,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(37,1769860020000000,'sweep.completed',1,'bot','sweeper','2',NULL,'illegal content','illegal-content','march',0.5,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(38,1769860020000001,'sweep.planned',1,'human','wan',NULL,'1','illegal content','illegal-content','april',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(39,1769860020000002,'sweep.rejected',1,'human','mei',NULL,NULL,'not all of them',NULL,'april',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(40,1769860020000003,'account.created',1,'human','mei',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(41,1769860020000004,'account.suspended',1,'human','mei',NULL,NULL,'spam',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(42,1769860020000005,'action.refused',1,'human','eve',NULL,'of-eve','revenge',NULL,'of-eves',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(43,1769860080000000,'events.reverted',1,'human','mei',NULL,NULL,'a mistake',NULL,'back',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(47,1769860080000001,'events.reverted',1,'human','wan',NULL,'1','illegal content','illegal-content','again',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(48,1769860080000002,'events.reverted',1,'human','wan',NULL,'1','illegal content','illegal-content','forth',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(49,1769860080000003,'account.erased',1,'human','wan',NULL,'1','asked for',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(50,1769860080000004,'sweep.planned',1,'human','wan',NULL,'1','illegal content','illegal-content','waits',NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(51,1769860080000005,'account.noted',1,'human','mei',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_acts" VALUES(52,1769860080000006,'account.noted',1,'human','wan',NULL,'1','illegal content','illegal-content',NULL,NULL,'ticket-10','{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(53,1769860080000007,'account.noted',1,'human','wan',NULL,'1','illegal content','illegal-content',NULL,NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(55,1769860080000007,'account.noted',1,'human','wan',NULL,'1','illegal content','illegal-content',NULL,NULL,NULL,'{"ip":null}');
INSERT INTO "modlog_acts" VALUES(56,1769860080000008,'sweep.planned',1,'human','wan',NULL,'1','illegal content','illegal-content','may',NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(57,1769860080000009,'account.flagged',1,'human','wan',NULL,'1','illegal content','illegal-content','may',NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(58,1769860080000009,'sweep.progressed',1,'human','wan',NULL,'1','illegal content','illegal-content','may',NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(59,1769860080000009,'sweep.completed',1,'human','wan',NULL,'1','illegal content','illegal-content','may',NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(60,1769860080000010,'events.reverted',1,'human','wan',NULL,'1','illegal content','illegal-content','not-may',NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(61,1769860080000011,'account.noted',1,'human','wan',NULL,'1','imported with import-3',NULL,'import-3',NULL,NULL,'{"":{"agent":{"name":"x"},"b":"","z":-0.0},"a":[1,1.0,0.1,true,null,{},9007199254740991,5e-324],"ü":"雷军 \"\\\n☎"}');
INSERT INTO "modlog_acts" VALUES(62,1769860080000012,'account.noted',1,'human','mei',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE modlog_checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
INSERT INTO "modlog_checkpoints" VALUES(61,'example.com/golden
61
o5+qLpW8hOjncW6A5o5O3T4q+opEQeJS2FnLEaNr8LI=

— example.com/golden BxcCcJSFidPKzldijgceIcXWbUj7tIOuT/MZycWnsEPWaj245MGBnkLM9zR83oOdw5tSPZ9vVBYliqozhHsYPw7+HAo=
');
CREATE TABLE modlog_clocks (
    position INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_version TEXT,
    actor_account_id TEXT,
    reason TEXT NOT NULL
) STRICT;
INSERT INTO "modlog_clocks" VALUES(50,1769860080000004,1769859480000000,'human','mei',NULL,NULL,'it was set back');
CREATE TABLE modlog_events (
    position INTEGER PRIMARY KEY,
    act INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    occurred_at INTEGER,
    data TEXT,
    personal TEXT,
    state BLOB
) STRICT;
INSERT INTO "modlog_events" VALUES(1,1,1,1,NULL,NULL,'{"profile":{"nickname":"Lei Jun","tags":["ü",1,0.5,null]}}',NULL);
INSERT INTO "modlog_events" VALUES(2,2,1,2,NULL,NULL,'{"changes":{"nickname":"Lei","tags":null}}',NULL);
INSERT INTO "modlog_events" VALUES(3,3,1,3,NULL,'{"label":"spam","score":0.9}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(4,4,1,4,NULL,'{"label":"nudity","score":null}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(5,5,1,5,NULL,'{"flags":[3]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(6,6,6,1,NULL,NULL,'{"profile":{"nickname":"2"}}',NULL);
INSERT INTO "modlog_events" VALUES(7,7,7,1,NULL,NULL,'{"profile":{"nickname":"3"}}',NULL);
INSERT INTO "modlog_events" VALUES(8,8,8,1,NULL,NULL,'{"profile":{"nickname":"4"}}',NULL);
INSERT INTO "modlog_events" VALUES(9,9,9,1,NULL,NULL,'{"profile":{"nickname":"5"}}',NULL);
INSERT INTO "modlog_events" VALUES(10,10,10,1,NULL,NULL,'{"profile":{"nickname":"6"}}',NULL);
INSERT INTO "modlog_events" VALUES(11,11,6,2,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(12,12,6,3,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(13,13,9,2,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(14,14,7,2,NULL,'{"until":"2026-03-02T11:44:00.000000Z"}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(15,15,7,3,NULL,'{"lifts":[2]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(16,16,7,4,1735299840000000,'{"until":null}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(17,17,7,5,NULL,NULL,'{"text":"called support\n☎"}',NULL);
INSERT INTO "modlog_events" VALUES(18,18,1,6,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(19,19,6,4,NULL,NULL,'{"text":"one"}',NULL);
INSERT INTO "modlog_events" VALUES(20,19,6,5,NULL,NULL,'{"text":"two"}',NULL);
INSERT INTO "modlog_events" VALUES(21,21,21,1,NULL,NULL,NULL,X'00FF');
INSERT INTO "modlog_events" VALUES(22,22,22,1,1735299840000000,NULL,'{"profile":{"nickname":"ü"}}',NULL);
INSERT INTO "modlog_events" VALUES(23,23,23,1,1735386240000000,NULL,'{"profile":{}}',NULL);
INSERT INTO "modlog_events" VALUES(24,24,23,2,1735386240000000,'{"until":"2026-01-31T11:44:00.000000Z"}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(25,25,23,3,1733571840000000,'{"label":"spam","score":null}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(26,26,22,2,1735559040000000,NULL,'{"text":"☎"}',NULL);
INSERT INTO "modlog_events" VALUES(27,27,27,1,1735731840000000,NULL,'{"profile":{}}',NULL);
INSERT INTO "modlog_events" VALUES(28,28,27,2,1735731840000000,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(29,29,22,3,1735559040000000,NULL,'{"text":"☎"}',NULL);
INSERT INTO "modlog_events" VALUES(30,30,30,1,1769859960000002,'{"action":"delete","arguments":{},"digest":"05882373882208df62ade321ecc45a0ecfd5a983cc26d492617d01f871a6e049","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":true,"size":6}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(31,31,30,2,NULL,'{"digest":"05882373882208df62ade321ecc45a0ecfd5a983cc26d492617d01f871a6e049"}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(32,32,1,7,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(33,32,6,6,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(34,32,7,6,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(35,32,8,2,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(36,36,30,3,NULL,'{"last":"nobody","outcomes":{"done":4,"refused":1,"unknown":1},"through":6}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(37,37,30,4,NULL,'{"outcomes":{"done":4,"refused":1,"unknown":1}}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(38,38,38,1,1769860020000000,'{"action":"suspend","arguments":{"until":"2026-05-01T11:44:00.000000Z"},"digest":"0541a52e2e26e7fca91dd3ef1131ba8a72df0225cae4a6d9308bd38fbc03621f","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":true,"size":6}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(39,39,38,2,NULL,'{"digest":"0541a52e2e26e7fca91dd3ef1131ba8a72df0225cae4a6d9308bd38fbc03621f"}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(40,40,40,1,NULL,NULL,'{"profile":{}}',NULL);
INSERT INTO "modlog_events" VALUES(41,41,40,2,NULL,'{"until":null}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(42,42,40,3,NULL,'{"action":"plan_sweep","rule":"sanctioned-actor"}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(43,43,1,8,NULL,'{"targets":[7]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(44,43,6,7,NULL,'{"targets":[6]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(45,43,7,7,NULL,'{"targets":[6]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(46,43,8,3,NULL,'{"targets":[2]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(47,47,7,8,NULL,'{"targets":[6]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(48,48,7,9,NULL,'{"targets":[8]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(49,49,10,2,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_events" VALUES(50,50,50,1,1769860080000003,'{"action":"flag","arguments":{"label":"x","score":null},"digest":"e403f84a7b70651891fdce4116a868700ce07f99df5d3a52083e4f6c72be8c60","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":false,"size":1}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(51,51,8,4,NULL,NULL,'{"text":"the clock was wrong"}',NULL);
INSERT INTO "modlog_events" VALUES(52,52,8,5,NULL,NULL,'{"text":"x"}',NULL);
INSERT INTO "modlog_events" VALUES(53,53,8,6,NULL,NULL,'{"text":"one"}',NULL);
INSERT INTO "modlog_events" VALUES(54,53,9,3,NULL,NULL,'{"text":"the same act"}',NULL);
INSERT INTO "modlog_events" VALUES(55,55,9,4,NULL,NULL,'{"text":"another"}',NULL);
INSERT INTO "modlog_events" VALUES(56,56,56,1,1769860080000007,'{"action":"flag","arguments":{"label":"y","score":null},"digest":"f1050a43755a9bf05e94eaa975ba5a9d83e40e95e9343526749ae7418edd51d2","guardrails":{"deletions_per_hour":10000,"enabled":true,"restored_days":30,"rules":[],"sweep_share":1.0,"sweep_size":3},"needs_approval":false,"size":1}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(57,57,8,7,NULL,'{"label":"y","score":null}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(58,58,56,2,NULL,'{"last":"4","outcomes":{"done":1},"through":1}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(59,59,56,3,NULL,'{"outcomes":{"done":1}}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(60,60,8,8,NULL,'{"targets":[7]}',NULL,NULL);
INSERT INTO "modlog_events" VALUES(61,61,22,4,1769773440000000,NULL,'{"text":"x"}',NULL);
INSERT INTO "modlog_events" VALUES(62,62,8,9,NULL,NULL,'{"text":"in no checkpoint yet"}',NULL);
CREATE TABLE modlog_keys (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    position INTEGER,
    rejection TEXT,
    CHECK ((position IS NULL) <> (rejection IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_keys" VALUES('#5aa7fbbf37986bb2a5d547c0d3c4d4326a24d786e7d57bf93fc784176e38b33d',X'D99CB8173E12C7C63031381FBE319334',28,NULL);
INSERT INTO "modlog_keys" VALUES('=k1',X'5BC45C271DA31C776208BA06D135ADFF',18,NULL);
INSERT INTO "modlog_keys" VALUES('=k3',X'61FD99D00788917F0890157896BC669A',52,NULL);
INSERT INTO "modlog_keys" VALUES('=r1',X'33DA812D328E3089DA0B9028664AB4DF',22,NULL);
INSERT INTO "modlog_keys" VALUES('=r2',X'68EF50FF92A82FE2DD0AA0A79119C6EE',24,NULL);
INSERT INTO "modlog_keys" VALUES('=r3',X'BBE4828ADCD5C200DECFB97BC0C65372',25,NULL);
INSERT INTO "modlog_keys" VALUES('=r4',X'CF84BF1215D5C7CBC8177B2A231ECBBB',NULL,'account ''old-1'' has no sanction in force at 2024-12-31T11:44:00.000000Z: there is nothing to lift');
INSERT INTO "modlog_keys" VALUES('=r9',X'F298F4DFBDBE5E078327187BDD1D05FE',61,NULL);
CREATE TABLE modlog_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_meta" VALUES('ledger','167072ad4ffe4c00af67960707887cc6');
INSERT INTO "modlog_meta" VALUES('schema','4');
CREATE TABLE modlog_reverts (
    batch_id TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    selection TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_reverts" VALUES('again',46,'{"account_id":["3"],"type":["account.deleted"]}');
INSERT INTO "modlog_reverts" VALUES('back',42,'{"batch_id":["march"]}');
INSERT INTO "modlog_reverts" VALUES('forth',47,'{"batch_id":["again"]}');
INSERT INTO "modlog_reverts" VALUES('not-may',59,'{"batch_id":["may"]}');
CREATE TABLE modlog_secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_secrets" VALUES('salts',X'E17A58A71B7372CB6A638D7C9F10474DD1360B382DEBEF0D13B050B9BBBA6CCC');
CREATE TABLE modlog_spans (
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    facet INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    label TEXT,
    opened_at INTEGER,
    closed INTEGER,
    closed_at INTEGER,
    PRIMARY KEY (stream, version, opened)
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_spans" VALUES(1,1,1,1,1769859840000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(1,3,3,2,1769859840000002,NULL,'spam',NULL,5,1769859840000004);
INSERT INTO "modlog_spans" VALUES(1,4,4,2,1769859840000003,NULL,'nudity',NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(1,6,18,5,1769859900000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(1,7,32,5,1769860020000000,NULL,NULL,NULL,43,1769860080000000);
INSERT INTO "modlog_spans" VALUES(6,1,6,1,1769859840000005,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(6,2,11,3,1769859840000010,NULL,NULL,NULL,12,1769859840000011);
INSERT INTO "modlog_spans" VALUES(6,6,33,5,1769860020000000,NULL,NULL,NULL,44,1769860080000000);
INSERT INTO "modlog_spans" VALUES(7,1,7,1,1769859840000006,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(7,2,14,4,1769859840000013,1772451840000000,NULL,NULL,15,1769859840000014);
INSERT INTO "modlog_spans" VALUES(7,4,16,4,1735299840000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(7,6,34,5,1769860020000000,NULL,NULL,NULL,45,1769860080000000);
INSERT INTO "modlog_spans" VALUES(8,1,8,1,1769859840000007,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(8,2,35,5,1769860020000000,NULL,NULL,NULL,46,1769860080000000);
INSERT INTO "modlog_spans" VALUES(8,7,57,2,1769860080000009,NULL,'y',NULL,60,1769860080000010);
INSERT INTO "modlog_spans" VALUES(9,1,9,1,1769859840000008,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(9,2,13,3,1769859840000012,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(10,1,10,1,1769859840000009,NULL,NULL,NULL,49,1769860080000003);
INSERT INTO "modlog_spans" VALUES(10,2,49,6,1769860080000003,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(22,1,22,1,1735299840000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(23,1,23,1,1735386240000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(23,2,24,4,1735386240000000,1769859840000000,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(23,3,25,2,1733571840000000,NULL,'spam',NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(27,1,27,1,1735731840000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(27,2,28,5,1735731840000000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(40,1,40,1,1769860020000003,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "modlog_spans" VALUES(40,2,41,4,1769860020000004,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE modlog_streams (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'sweep', 'foreign')),
    id TEXT NOT NULL
) STRICT;
INSERT INTO "modlog_streams" VALUES(1,'account','110018');
INSERT INTO "modlog_streams" VALUES(6,'account','2');
INSERT INTO "modlog_streams" VALUES(7,'account','3');
INSERT INTO "modlog_streams" VALUES(8,'account','4');
INSERT INTO "modlog_streams" VALUES(9,'account','5');
INSERT INTO "modlog_streams" VALUES(10,'account','6');
INSERT INTO "modlog_streams" VALUES(21,'foreign','order-1');
INSERT INTO "modlog_streams" VALUES(22,'account','old-1');
INSERT INTO "modlog_streams" VALUES(23,'account','old-2');
INSERT INTO "modlog_streams" VALUES(27,'account','old-3');
INSERT INTO "modlog_streams" VALUES(30,'sweep','march');
INSERT INTO "modlog_streams" VALUES(38,'sweep','april');
INSERT INTO "modlog_streams" VALUES(40,'account','of-eve');
INSERT INTO "modlog_streams" VALUES(50,'sweep','waits');
INSERT INTO "modlog_streams" VALUES(56,'sweep','may');
CREATE TABLE modlog_sweep_outcomes (
    batch_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    rule TEXT,
    PRIMARY KEY (batch_id, account_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_sweep_outcomes" VALUES('march','5','refused','protected-account');
INSERT INTO "modlog_sweep_outcomes" VALUES('march','nobody','unknown',NULL);
CREATE TABLE modlog_sweep_targets (
    sweep BLOB NOT NULL,
    account_id TEXT NOT NULL,
    status TEXT,
    protected INTEGER NOT NULL,
    rule TEXT,
    PRIMARY KEY (sweep, account_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "modlog_sweep_targets" VALUES(X'41E3D14B100B47865A656D642F490537','4','active',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'8191DCDBA8A868C77E443F6FFE63B0BF','4','active',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'CC09CE694D367E702A2FDF940BE779D1','110018','deleted',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'CC09CE694D367E702A2FDF940BE779D1','2','deleted',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'CC09CE694D367E702A2FDF940BE779D1','3','deleted',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'CC09CE694D367E702A2FDF940BE779D1','4','deleted',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'CC09CE694D367E702A2FDF940BE779D1','5','active',1,'protected-account');
INSERT INTO "modlog_sweep_targets" VALUES(X'CC09CE694D367E702A2FDF940BE779D1','nobody',NULL,0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'D58AD903D8B8FF0C27B82A420454DC8F','110018','deleted',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'D58AD903D8B8FF0C27B82A420454DC8F','2','active',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'D58AD903D8B8FF0C27B82A420454DC8F','3','suspended',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'D58AD903D8B8FF0C27B82A420454DC8F','4','active',0,NULL);
INSERT INTO "modlog_sweep_targets" VALUES(X'D58AD903D8B8FF0C27B82A420454DC8F','5','active',1,'protected-account');
INSERT INTO "modlog_sweep_targets" VALUES(X'D58AD903D8B8FF0C27B82A420454DC8F','nobody',NULL,0,NULL);
CREATE TABLE modlog_tiles (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    root BLOB NOT NULL,
    parts BLOB
) STRICT;
CREATE UNIQUE INDEX modlog_streams_id ON modlog_streams (kind, id);
CREATE INDEX modlog_acts_actor ON modlog_acts (actor_id, number);
CREATE INDEX modlog_acts_type ON modlog_acts (type, number);
CREATE INDEX modlog_acts_batch ON modlog_acts (batch_id, number) WHERE batch_id IS NOT NULL;
CREATE UNIQUE INDEX modlog_events_stream ON modlog_events (stream, version);
CREATE INDEX modlog_events_act ON modlog_events (act, position);
CREATE VIEW modlog_log AS
SELECT
    e.position,
    CASE WHEN s.kind = 'account' THEN s.id END AS account_id,
    e.version,
    a.type,
    strftime('%Y-%m-%dT%H:%M:%S', a.recorded_at / 1000000, 'unixepoch')
        || printf('.%06dZ', a.recorded_at % 1000000) AS recorded_at,
    strftime('%Y-%m-%dT%H:%M:%S', coalesce(e.occurred_at, a.recorded_at) / 1000000, 'unixepoch')
        || printf('.%06dZ', coalesce(e.occurred_at, a.recorded_at) % 1000000) AS occurred_at,
    a.actor_kind,
    a.actor_id,
    a.actor_version,
    a.actor_account_id,
    a.reason,
    a.policy,
    a.batch_id,
    a.confidence,
    a.correlation_id,
    a.metadata,
    json_patch(coalesce(e.data, '{}'), coalesce(e.personal, '{}')) AS data
FROM modlog_events AS e
JOIN modlog_acts AS a ON a.number = e.act
JOIN modlog_streams AS s ON s.number = e.stream
WHERE s.kind <> 'foreign';
CREATE TRIGGER modlog_streams_update BEFORE UPDATE ON modlog_streams
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_streams_delete BEFORE DELETE ON modlog_streams
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_streams_insert BEFORE INSERT ON modlog_streams
WHEN EXISTS (SELECT 1 FROM modlog_streams WHERE number = NEW.number)
    OR EXISTS (SELECT 1 FROM modlog_streams WHERE kind = NEW.kind AND id = NEW.id)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_acts_update BEFORE UPDATE ON modlog_acts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_acts_delete BEFORE DELETE ON modlog_acts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_acts_insert BEFORE INSERT ON modlog_acts
WHEN EXISTS (SELECT 1 FROM modlog_acts WHERE number = NEW.number)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_events_update BEFORE UPDATE ON modlog_events
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_events_delete BEFORE DELETE ON modlog_events
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_events_insert BEFORE INSERT ON modlog_events
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM modlog_events)
    OR EXISTS (
        SELECT 1 FROM modlog_events WHERE stream = NEW.stream AND version = NEW.version
    )
BEGIN
    SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken, or is not the next');
END;
CREATE TRIGGER modlog_keys_update BEFORE UPDATE ON modlog_keys
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_keys_delete BEFORE DELETE ON modlog_keys
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_keys_insert BEFORE INSERT ON modlog_keys
WHEN EXISTS (SELECT 1 FROM modlog_keys WHERE key = NEW.key)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_clocks_update BEFORE UPDATE ON modlog_clocks
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_clocks_delete BEFORE DELETE ON modlog_clocks
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_clocks_insert BEFORE INSERT ON modlog_clocks
WHEN EXISTS (SELECT 1 FROM modlog_clocks WHERE position = NEW.position)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_reverts_update BEFORE UPDATE ON modlog_reverts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_reverts_delete BEFORE DELETE ON modlog_reverts
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_reverts_insert BEFORE INSERT ON modlog_reverts
WHEN EXISTS (SELECT 1 FROM modlog_reverts WHERE batch_id = NEW.batch_id)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER modlog_sweep_targets_update BEFORE UPDATE ON modlog_sweep_targets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_targets_delete BEFORE DELETE ON modlog_sweep_targets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_targets_insert BEFORE INSERT ON modlog_sweep_targets
WHEN EXISTS (
    SELECT 1 FROM modlog_sweep_targets WHERE sweep = NEW.sweep AND account_id = NEW.account_id
)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER modlog_sweep_outcomes_update BEFORE UPDATE ON modlog_sweep_outcomes
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_outcomes_delete BEFORE DELETE ON modlog_sweep_outcomes
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_sweep_outcomes_insert BEFORE INSERT ON modlog_sweep_outcomes
WHEN EXISTS (
    SELECT 1 FROM modlog_sweep_outcomes
    WHERE batch_id = NEW.batch_id AND account_id = NEW.account_id
)
BEGIN SELECT RAISE(IGNORE); END;
CREATE INDEX modlog_acts_correlation ON modlog_acts (correlation_id, number)
WHERE correlation_id IS NOT NULL;
CREATE INDEX modlog_acts_kind ON modlog_acts (actor_kind);
CREATE INDEX modlog_events_occurred ON modlog_events (occurred_at) WHERE occurred_at IS NOT NULL;
CREATE UNIQUE INDEX modlog_tiles_place ON modlog_tiles (level, number);
CREATE TRIGGER modlog_secrets_update BEFORE UPDATE ON modlog_secrets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_secrets_delete BEFORE DELETE ON modlog_secrets
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_secrets_insert BEFORE INSERT ON modlog_secrets
WHEN EXISTS (SELECT 1 FROM modlog_secrets WHERE name = NEW.name)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_tiles_update BEFORE UPDATE ON modlog_tiles
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_tiles_delete BEFORE DELETE ON modlog_tiles
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_tiles_insert BEFORE INSERT ON modlog_tiles
WHEN EXISTS (SELECT 1 FROM modlog_tiles WHERE level = NEW.level AND number = NEW.number)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE TRIGGER modlog_checkpoints_update BEFORE UPDATE ON modlog_checkpoints
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_checkpoints_delete BEFORE DELETE ON modlog_checkpoints
BEGIN SELECT RAISE(ABORT, 'modlog: events are append-only'); END;
CREATE TRIGGER modlog_checkpoints_insert BEFORE INSERT ON modlog_checkpoints
WHEN EXISTS (SELECT 1 FROM modlog_checkpoints WHERE size = NEW.size)
BEGIN SELECT RAISE(FAIL, 'modlog: events are append-only: this place is taken'); END;
CREATE INDEX modlog_spans_open ON modlog_spans (facet, stream) WHERE closed IS NULL;
CREATE INDEX modlog_spans_label ON modlog_spans (label, stream)
WHERE closed IS NULL AND label IS NOT NULL;
COMMIT;
