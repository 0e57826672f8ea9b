-- Jobs of which no bot has the lease: the DUT itself runs the station and says so by the factory door. And what it said of itself
-- with a call, which is told to the shopfloor over what its record holds.
-- Old servers survive this: they find leases by their sessions, and so never these; cancelled there, such a job is ended by the next
-- server of this version. A call they send is rendered from the record alone, which has what the DUT said merged in.

-- Null: no bot's. `bot_id` is then the address from which the DUT called, and `execution_deadline` moves on with every call.
alter table leases alter column session_name drop not null;

alter table shopfloor_calls add column said jsonb;
