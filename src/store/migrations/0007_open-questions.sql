-- The questions of gates that the shopfloor has not answered. A grant asks for those of its DUT, however much else its lane owes.
create index shopfloor_calls_questions on shopfloor_calls (device_id, position) where gate and state in ('OWED', 'DEAD');
