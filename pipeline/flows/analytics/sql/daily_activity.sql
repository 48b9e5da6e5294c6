-- daily_activity
-- What users did on one day. A session without an end in sight counts from its first to its last
-- activity of the day.
-- Parameters: the day, twice.
WITH activities AS (
    SELECT user_id, session_id, occurred_at
    FROM events
    WHERE event_type = 'user_activity' AND day = ? AND CAST(occurred_at AS date) = CAST(? AS date)
),
sessions AS (
    SELECT date_diff('millisecond', min(occurred_at), max(occurred_at)) / 1000e0 AS length_s
    FROM activities
    WHERE session_id IS NOT NULL
    GROUP BY user_id, session_id
)
SELECT
    count(*) AS events,
    count(DISTINCT user_id) AS unique_users,
    (SELECT avg(length_s) FROM sessions) AS average_session_s
FROM activities
