-- Everything of "What must always hold" (ARCHITECTURE.md) that the tables can show, as one statement: one snapshot, so
-- that a farm at work is judged fairly. Each part adds rows for what is wrong; a sound farm returns none.
--
-- What the schema already forbids (one open lease a job and a DUT, one live session a bot, …) is asked again: an index
-- may be missing, or broken by a disk.
--
-- Of a job that is there, all is there: its facts are dropped after it. Of the others, what is left begins anywhere.
with dropped as (
  select coalesce(max(last_job_id), 0) as last_job_id,
         coalesce(max(day) filter (where history <> 'finished_jobs'), '-infinity')::timestamp at time zone 'UTC'
           + interval '1 day' as facts_before
  from dropped_days
),

-- Calls of an attempt in lane order, each with the one before it of the same job. A closing call is NotifyEnd, or the
-- station itself as a FAILED test. Events of bots belong to no attempt.
told as (
  select c.*,
         c.method = 'NotifyStart' as is_start,
         c.method = 'UpdateTestResult' and c.test_id = c.station and c.status = 'FAILED' as is_failed_station,
         c.method = 'NotifyEnd'
           or (c.method = 'UpdateTestResult' and c.test_id = c.station and c.status = 'FAILED') as is_closing
  from shopfloor_calls c where c.job_id in (select id from jobs) and c.method <> 'NotifyEvent'
),
story as (
  select t.*,
         lag(t.id) over job_lane as before_id,
         lag(t.is_start) over job_lane as after_start,
         lag(t.is_closing) over job_lane as after_closing,
         lag(t.is_failed_station) over job_lane as after_failed_station,
         lag(t.gate and t.state in ('GATE_REFUSED', 'SKIPPED')) over job_lane as after_refusal
  from told t window job_lane as (partition by t.job_id, t.device_id order by t.position)
),
told_of_lease as (
  select lease_id, count(*) filter (where is_failed_station) as failed_stations,
         count(*) filter (where method = 'NotifyEnd') as ends
  from told where lease_id is not null group by lease_id
),
neighbours as (
  select c.*, lag(c.position) over lane as position_before, lag(c.state) over lane as state_before,
         lag(c.settled_at) over lane as settled_before
  from shopfloor_calls c window lane as (partition by c.device_id order by c.position)
),
lane_ends as (
  select l.device_id, l.next_position, l.head_position, l.blocked, l.due_at,
         (select max(c.position) from shopfloor_calls c where c.device_id = l.device_id) as last_position,
         (select min(c.position) from shopfloor_calls c where c.device_id = l.device_id and c.state in ('OWED', 'DEAD'))
           as first_unsettled,
         (select c.state from shopfloor_calls c where c.device_id = l.device_id and c.position = l.head_position)
           as head_state
  from lanes l
),
counted as (
  select instance, station as label, state, count(*) as n from jobs group by instance, station, state
),
tallied as (
  select instance, label, state, sum(n)::bigint as n from tallies where family = 'job' group by instance, label, state
),
-- Calls whose journal is whole: none of their sends is of a day that may have been dropped.
journalled as (
  select c.* from shopfloor_calls c, dropped where c.owed_at >= dropped.facts_before
),
told_of_jobs as (
  select 'lease ' || id::text as what, job_id from leases
  union all select 'result ' || id, job_id from test_results
  union all select 'call ' || id, job_id from shopfloor_calls where job_id is not null
  union all select 'the request ' || request_id || ' of instance "' || instance || '"', job_id from enqueue_requests
  union all select 'note ' || id, job_id from result_notes
)

-- 1, 2: jobs and their leases.
select '2' as invariant, 'a job has more than one open lease' as words, 'job ' || job_id as what
from open_leases group by job_id having count(*) > 1
union all
select '2', 'a DUT has more than one open lease', 'device ' || device_id
from open_leases where device_id is not null group by device_id having count(*) > 1
union all
select '2', 'a session has ' || count(*) || ' open leases and a capacity of ' || s.capacity, 'session ' || s.name
from open_leases l join bot_sessions s on s.name = l.session_name
group by s.name, s.capacity having count(*) > greatest(s.capacity, s.leases_allowed, 1)
union all
select '1', 'the job is ' || j.state || ' and has no open lease', 'job ' || j.id
from jobs j where j.state in ('LEASED', 'CANCELLING') and not exists (select from open_leases l where l.job_id = j.id)
union all
select '1', 'the job is ' || j.state || ' and its open lease is ' || l.state, 'job ' || j.id || ', lease ' || l.id
from open_leases l join jobs j on j.id = l.job_id
where j.state <> case l.state when 'CANCELLING' then 'CANCELLING' else 'LEASED' end
union all
select '1', 'the lease is on another instance or DUT than its job', 'job ' || j.id || ', lease ' || l.id
from leases l join jobs j on j.id = l.job_id
where l.instance <> j.instance or (j.device_id is not null and l.device_id is distinct from j.device_id)
union all
select '1', 'its job is not there, and none as late was dropped', t.what || ', job ' || t.job_id
from told_of_jobs t, dropped where t.job_id > dropped.last_job_id and not exists (select from jobs j where j.id = t.job_id)
union all
select '1', 'its lease is not there', t.what || ', lease ' || t.lease_id
from (select 'result ' || r.id as what, r.lease_id from test_results r where r.job_id in (select id from jobs)
      union all select 'call ' || id, lease_id from told where lease_id is not null) t
where not exists (select from leases l where l.id = t.lease_id)
union all
select '1', 'the job is there more than once', 'job ' || id from jobs group by id having count(*) > 1
union all
select '1', 'the lease is there more than once', 'lease ' || id from leases group by id having count(*) > 1
union all
select '1', 'the job counts ' || j.attempts || ' attempts; its started leases are numbered '
  || coalesce(string_agg(l.attempt::text, ', ' order by l.attempt), 'not at all'), 'job ' || j.id
from jobs j left join leases l on l.job_id = j.id and l.started_at is not null
group by j.id, j.attempts
having j.attempts <> count(l.id) or j.attempts <> coalesce(max(l.attempt), 0) or count(l.id) <> count(distinct l.attempt)
union all
select '1', 'the job is FINISHED and no lease of it was completed', 'job ' || j.id
from jobs j where j.state = 'FINISHED'
  and not exists (select from leases l where l.job_id = j.id and l.state = 'COMPLETED')
union all
select '1', 'a job of the route runs and an earlier one has not ended', 'job ' || j.id || ' after job ' || earlier.id
from open_leases l join jobs j on j.id = l.job_id
join jobs earlier on earlier.device_id = j.device_id and earlier.route = j.route and earlier.id < j.id
  and earlier.ended_at is null

-- 3: sessions.
union all
select '3', 'a bot has more than one live session', 'bot ' || bot_id || ' of instance "' || instance || '"'
from bot_sessions where state <> 'CLOSED' group by instance, bot_id having count(*) > 1
union all
select '3', 'an open lease belongs to a closed session', 'lease ' || l.id || ', session ' || s.name
from open_leases l join bot_sessions s on s.name = l.session_name where s.state = 'CLOSED'
union all
select '3', 'an open lease and its session name different bots', 'lease ' || l.id || ', session ' || s.name
from open_leases l join bot_sessions s on s.name = l.session_name
where (l.instance, l.bot_id) <> (s.instance, s.bot_id)

-- 5, 6: results.
union all
select '6', 'a test has more than one standing result in one lease', 'lease ' || lease_id || ', test ' || test_id
from test_results where not stale group by lease_id, test_id having count(*) > 1
union all
select '6', 'the lease has results and does not say so', 'lease ' || l.id
from open_leases l where exists (
  select from test_results r where r.lease_id = l.id and not r.stale and (l.results_since is null or r.at < l.results_since))
union all
select '6', 'a result names another job or attempt than its lease', 'lease ' || l.id || ', test ' || r.test_id
from test_results r join leases l on l.id = r.lease_id where (r.job_id, r.attempt) <> (l.job_id, l.attempt)
union all
select '10', 'the job PASSED without a passing result of a test that it names', 'job ' || j.id || ', test ' || t.test_id
from jobs j
cross join lateral (select test ->> 'testId' as test_id from jsonb_array_elements(j.work -> 'tests') test) t
where j.verdict = 'PASSED' and not exists (
  select from test_results r join leases l on l.id = r.lease_id and l.state = 'COMPLETED'
  where r.job_id = j.id and r.test_id = t.test_id and not r.stale
    and r.status in ('PASSED', 'SKIPPED', 'FAILED_AND_WAIVED'))
union all
select '10', 'the job PASSED and a standing result of its last attempt is FAILED', 'job ' || j.id || ', test ' || r.test_id
from jobs j join leases l on l.job_id = j.id and l.state = 'COMPLETED' and l.attempt = j.attempts
join test_results r on r.lease_id = l.id and not r.stale and r.status = 'FAILED'
where j.verdict = 'PASSED'
union all
select '10', 'a station''s work is FINISHED without a verdict', 'job ' || j.id
from jobs j where j.state = 'FINISHED' and j.work is not null and j.verdict is null

-- 11: lanes and their order.
union all
select '11', 'positions ' || position_before || ' and ' || position || ' follow each other', 'lane of device ' || device_id
from neighbours where position <> position_before + 1
union all
select '11', 'the last call is at ' || coalesce(last_position::text, 'no') || ' position, the next one would be '
  || next_position, 'lane of device ' || device_id
from lane_ends where coalesce(last_position, next_position - 1) <> next_position - 1
union all
select '11', 'the head is said to be ' || head_position || '; the first call that is not settled is '
  || coalesce(first_unsettled::text, 'none'), 'lane of device ' || device_id
from lane_ends where head_position <> coalesce(first_unsettled, next_position)
union all
select '11', 'the head is ' || coalesce(head_state, 'none') || ' and the lane is ' || case when blocked then '' else 'not ' end
  || 'blocked', 'lane of device ' || device_id
from lane_ends where blocked <> (head_state is not distinct from 'DEAD')
union all
select '12', 'a call is owed and nobody will ever send it', 'lane of device ' || device_id
from lane_ends where head_state = 'OWED' and due_at is null
union all
select '11', 'the call is settled and the one before it is ' || state_before, 'call ' || id
from neighbours where settled_at is not null and state_before in ('OWED', 'DEAD')
union all
select '11', 'the call was sent before the one before it was settled', 'call ' || n.id
from neighbours n
where n.position_before is not null and exists (
  select from call_sends s where s.call_id = n.id and (n.settled_before is null or s.sent_at < n.settled_before))
union all
select '11', 'the call is of another instance than its lane', 'call ' || c.id
from shopfloor_calls c join lanes l using (device_id) where c.instance <> l.instance
union all
select '11', 'NotifyStart comes before the attempt before it is closed', 'call ' || id || ', job ' || job_id
from story where is_start and before_id is not null and not (after_closing or after_refusal)
union all
select '11', 'the first call of an attempt is ' || method || ', not NotifyStart', 'call ' || id || ', job ' || job_id
from story where not is_start and before_id is null
union all
select '11', method || ' comes after the closing call of its attempt', 'call ' || id || ', job ' || job_id
from story where not is_start and after_closing and not (after_failed_station and method = 'NotifyEnd')
union all
select '11', 'an attempt that has ended has no closing call', 'lease ' || l.id || ', job ' || l.job_id
from leases l join told_of_lease t on t.lease_id = l.id
where l.closed_at is not null and t.failed_stations + t.ends = 0
union all
select '11', 'an attempt has more than one closing call', 'lease ' || t.lease_id
from told_of_lease t where t.failed_stations > 1 or t.ends > 1
union all
select '11', 'an attempt that has not ended has a closing call', 'lease ' || l.id || ', job ' || l.job_id
from open_leases l join told_of_lease t on t.lease_id = l.id where t.failed_stations + t.ends > 0
union all
select '8', 'calls are owed for an attempt that never started', 'lease ' || l.id || ', job ' || l.job_id
from leases l join told_of_lease t on t.lease_id = l.id where l.started_at is null and not l.gated

-- 12: the journal of sends.
union all
select '12', 'the call is ' || c.state || ' and no send of it was answered '
  || case c.state when 'DELIVERED' then 'well' else 'with a fault' end, 'call ' || c.id
from journalled c
where c.state in ('DELIVERED', 'GATE_REFUSED') and not exists (
  select from call_sends s where s.call_id = c.id
    and s.outcome = case c.state when 'DELIVERED' then 'answered' else 'fault' end)
union all
select '12', 'the call was answered and is ' || c.state, 'call ' || c.id
from shopfloor_calls c
where c.state <> 'DELIVERED' and exists (select from call_sends s where s.call_id = c.id and s.outcome = 'answered')
union all
select '12', 'the call was sent again after it was answered', 'call ' || s.call_id
from call_sends s join call_sends later on later.call_id = s.call_id and later.number > s.number
where s.outcome = 'answered'
union all
select '12', 'the call counts ' || c.sends || ' sends and the journal has ' || count(s.number), 'call ' || c.id
from journalled c left join call_sends s on s.call_id = c.id
group by c.id, c.sends having c.sends <> count(s.number)
union all
select '12', 'a send may have been seen and the call does not say so', 'call ' || c.id
from shopfloor_calls c
where not c.ambiguous and exists (select from call_sends s where s.call_id = c.id and s.outcome = 'ambiguous')
union all
select '13', 'a later send began and the one before it has no outcome', 'call ' || s.call_id
from call_sends s join call_sends later on later.call_id = s.call_id and later.number = s.number + 1
where s.outcome is null
union all
select '12', 'its call is not there, and was not dropped', 'send ' || s.number || ' of call ' || s.call_id
from call_sends s, dropped
where (s.ended_at is null or s.sent_at >= dropped.facts_before) and not exists (select from shopfloor_calls c where c.id = s.call_id)

-- Serials name one DUT of their own instance.
union all
select '2', 'a serial is of another instance than its DUT', 'device ' || d.id || ', ' || s.name || ' ' || s.value
from device_serials s join devices d on d.id = s.device_id where s.instance <> d.instance

-- 18: nothing vanished.
union all
select '18', 'there are ' || coalesce(c.n, 0) || ' and the tally says ' || coalesce(t.n, 0),
  'jobs ' || state || ' of instance "' || instance || '"' || case label when '' then '' else ', ' || label end
from counted c full join tallied t using (instance, label, state)
where coalesce(c.n, 0) <> coalesce(t.n, 0)
union all
select '18', 'the days say that ' || d.days || ' jobs were dropped and the tally says ' || d.tally, 'history'
from (select (select coalesce(sum(rows), 0) from dropped_days where history = 'finished_jobs') as days,
             (select coalesce(sum(n), 0) from tallies where family = 'dropped') as tally) d
where d.days <> d.tally

-- 19: who gets in.
union all
select '19', 'a bot has ' || count(*) || ' tokens that hold and may have two',
  'bot ' || bot_id || ' of instance "' || instance || '"'
from bot_tokens where revoked_at is null and expires_at > farm_now()
group by instance, bot_id having count(*) > 2

order by 1, 2, 3;
