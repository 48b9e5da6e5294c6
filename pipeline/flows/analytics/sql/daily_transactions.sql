-- daily_transactions
-- What was paid on one day: transactions by currency, each counted once, by its first status; and
-- over all currencies, where amounts cannot be added.
-- Parameters: the day, twice.
WITH changes AS (
    SELECT
        transaction_id, user_id, currency, amount,
        row_number() OVER (PARTITION BY transaction_id ORDER BY occurred_at, event_id) AS change
    FROM events
    WHERE event_type = 'transaction' AND day = ? AND CAST(occurred_at AS date) = CAST(? AS date)
),
transactions AS (SELECT * FROM changes WHERE change = 1)
SELECT
    '' AS series,
    count(*) AS transactions,
    count(DISTINCT user_id) AS unique_users,
    CAST(NULL AS decimal(38, 2)) AS amount
FROM transactions
UNION ALL
SELECT
    currency AS series,
    count(*) AS transactions,
    count(DISTINCT user_id) AS unique_users,
    sum(CAST(amount AS decimal(38, 2))) AS amount
FROM transactions
GROUP BY currency
ORDER BY series
