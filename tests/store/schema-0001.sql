-- A database as the first version left it, with one finished refund: a dump made by migration 0001.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE api_keys (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, 
	key_hash VARCHAR(64) NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	last_used_at BIGINT, 
	CONSTRAINT uq_api_keys_name UNIQUE (name)
);
CREATE TABLE attempts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	refund_id INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	path TEXT NOT NULL, 
	status INTEGER, 
	outcome TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT fk_attempts_refund_id FOREIGN KEY(refund_id) REFERENCES refunds (id)
);
CREATE TABLE deliveries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	source TEXT NOT NULL, 
	delivery_key TEXT NOT NULL, 
	body_sha256 VARCHAR(64) NOT NULL, 
	body BLOB NOT NULL, 
	headers TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	state VARCHAR(32) NOT NULL, 
	due_at BIGINT, 
	lease_until BIGINT, 
	worker TEXT NOT NULL, 
	fence INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	wake_asked BOOLEAN NOT NULL, 
	event_id TEXT, 
	return_id INTEGER, 
	reason_code TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	redeliveries INTEGER NOT NULL, 
	last_redelivered_at BIGINT, 
	clashes_with INTEGER, 
	CONSTRAINT fk_deliveries_clashes_with FOREIGN KEY(clashes_with) REFERENCES deliveries (id), 
	CONSTRAINT fk_deliveries_return_id FOREIGN KEY(return_id) REFERENCES returns (id), 
	CONSTRAINT uq_deliveries_source_delivery_key_body_sha256 UNIQUE (source, delivery_key, body_sha256)
);
INSERT INTO "deliveries" VALUES(1,'warehouse','msg_1','0000000000000000000000000000000000000000000000000000000000000000',X'7B7D','{}',1795770000000000,'done',NULL,NULL,'',1,1,0,NULL,1,'','',0,NULL,NULL);
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	delivery_id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	type TEXT NOT NULL, 
	return_id INTEGER NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	content TEXT NOT NULL, 
	CONSTRAINT fk_events_delivery_id FOREIGN KEY(delivery_id) REFERENCES deliveries (id), 
	CONSTRAINT fk_events_return_id FOREIGN KEY(return_id) REFERENCES returns (id), 
	CONSTRAINT uq_events_source_event_id UNIQUE (source, event_id)
);
CREATE TABLE heartbeats (
	name TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_heartbeats PRIMARY KEY (name)
);
CREATE TABLE journal (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	what TEXT NOT NULL, 
	text TEXT NOT NULL, 
	data TEXT NOT NULL, 
	delivery_id INTEGER, 
	return_id INTEGER, 
	refund_id INTEGER
);
CREATE TABLE memo_answers (
	return_id INTEGER NOT NULL, 
	memo_id INTEGER NOT NULL, 
	is_this_return BOOLEAN NOT NULL, 
	actor TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_memo_answers PRIMARY KEY (return_id, memo_id), 
	CONSTRAINT fk_memo_answers_return_id FOREIGN KEY(return_id) REFERENCES returns (id)
);
CREATE TABLE namespaces (
	source TEXT NOT NULL, 
	namespace TEXT NOT NULL, 
	frozen_at BIGINT NOT NULL, 
	CONSTRAINT pk_namespaces PRIMARY KEY (source)
);
CREATE TABLE refunds (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	return_id INTEGER NOT NULL, 
	delivery_id INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	instance TEXT NOT NULL, 
	order_increment_id TEXT, 
	order_entity_id INTEGER, 
	state VARCHAR(32) NOT NULL, 
	marker VARCHAR(64), 
	route VARCHAR(32), 
	invoice_id INTEGER, 
	request TEXT, 
	body TEXT, 
	predicted_base_total VARCHAR(40), 
	predicted_total VARCHAR(40), 
	base_currency VARCHAR(8), 
	currency VARCHAR(8), 
	superseded BOOLEAN NOT NULL, 
	needs_person BOOLEAN NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	sends INTEGER NOT NULL, 
	sent_at BIGINT, 
	settle_at BIGINT, 
	memo_id INTEGER, 
	memo TEXT, 
	differences TEXT, 
	stock_proven BOOLEAN, 
	email_state TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT fk_refunds_delivery_id FOREIGN KEY(delivery_id) REFERENCES deliveries (id), 
	CONSTRAINT fk_refunds_return_id FOREIGN KEY(return_id) REFERENCES returns (id)
);
INSERT INTO "refunds" VALUES(1,1,1,1,'shop','000000264',269,'done','RR-AAAAAAAAAAAAAAAA-01R','order',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,'','',1,1795770000000000,NULL,7,NULL,NULL,NULL,'',1795770000000000,1795770000000000);
CREATE TABLE refusal_counts (
	source TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_refusal_counts PRIMARY KEY (source, status)
);
CREATE TABLE refusals (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	source TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	size_bytes INTEGER NOT NULL
);
CREATE TABLE returns (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	namespace TEXT NOT NULL, 
	instance TEXT NOT NULL, 
	store TEXT NOT NULL, 
	source TEXT NOT NULL, 
	return_key TEXT NOT NULL, 
	order_key TEXT NOT NULL, 
	order_increment_id TEXT, 
	order_entity_id INTEGER, 
	first_occurred_at BIGINT NOT NULL, 
	current_event_id INTEGER, 
	"plan" TEXT, 
	plan_fingerprint VARCHAR(64), 
	plan_verdict VARCHAR(32), 
	planned_at BIGINT, 
	approved_fingerprint VARCHAR(64), 
	approved_by TEXT, 
	approved_at BIGINT, 
	needs_person BOOLEAN NOT NULL, 
	reason_code TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT uq_returns_namespace_instance_return_key_order_key UNIQUE (namespace, instance, return_key, order_key)
);
INSERT INTO "returns" VALUES(1,'warehouse','shop','main','warehouse','RMA-1001','#000000264','000000264',269,1795770000000000,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,'','',1795770000000000,1795770000000000);
CREATE TABLE switches (
	scope TEXT NOT NULL, 
	stopped_at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_switches PRIMARY KEY (scope)
);
CREATE INDEX ix_journal_delivery_id ON journal (delivery_id);
CREATE INDEX ix_journal_refund_id ON journal (refund_id);
CREATE INDEX ix_journal_return_id ON journal (return_id);
CREATE INDEX ix_deliveries_due ON deliveries (due_at, id) WHERE state IN ('received', 'waiting');
CREATE INDEX ix_deliveries_return_id ON deliveries (return_id);
CREATE UNIQUE INDEX uq_deliveries_first_of_key ON deliveries (source, delivery_key) WHERE clashes_with IS NULL;
CREATE INDEX ix_events_return_id_occurred_at_id ON events (return_id, occurred_at, id);
CREATE INDEX ix_refunds_instance_order_entity_id ON refunds (instance, order_entity_id);
CREATE INDEX ix_refunds_return_id ON refunds (return_id);
CREATE INDEX ix_refunds_sent_at ON refunds (sent_at);
CREATE UNIQUE INDEX uq_refunds_marker ON refunds (instance, marker) WHERE state <> 'refused';
CREATE UNIQUE INDEX uq_refunds_slot_entity ON refunds (instance, order_entity_id) WHERE state IN ('checking', 'sending', 'unknown');
CREATE UNIQUE INDEX uq_refunds_slot_increment ON refunds (instance, order_increment_id) WHERE state IN ('checking', 'sending', 'unknown');
CREATE INDEX ix_attempts_refund_id ON attempts (refund_id);
COMMIT;
