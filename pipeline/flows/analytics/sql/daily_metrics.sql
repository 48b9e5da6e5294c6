-- daily_metrics
-- What was measured on one day: all points, and the 50 metrics with the most of them.
-- Parameters: the day, twice.
WITH points AS (
    SELECT metric_name, source, value
    FROM events
    WHERE event_type = 'system_metric' AND day = ? AND CAST(occurred_at AS date) = CAST(? AS date)
),
metrics AS (
    SELECT
        metric_name AS series,
        count(*) AS points,
        count(DISTINCT source) AS sources,
        avg(value) AS average,
        max(value) AS largest,
        row_number() OVER (ORDER BY count(*) DESC, metric_name) AS place
    FROM points
    GROUP BY metric_name
)
SELECT
    '' AS series,
    count(*) AS points,
    count(DISTINCT source) AS sources,
    CAST(NULL AS double) AS average,
    CAST(NULL AS double) AS largest
FROM points
UNION ALL
SELECT series, points, sources, average, largest
FROM metrics
WHERE place <= 50
ORDER BY series
