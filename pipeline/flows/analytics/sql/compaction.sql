-- compaction
-- One arrival hour of the lake as Parquet, by type and day, each event once.
-- Parameters: the day and the hour of arrival.
INSERT INTO compaction
WITH lines AS (
    SELECT
        line,
        "$path" AS path,
        dt,
        hour,
        json_extract_scalar(line, '$.event_id') AS event_id,
        -- The contract takes a space between date and time, and small letters.
        CAST(from_iso8601_timestamp(
            upper(replace(json_extract_scalar(line, '$.timestamp'), ' ', 'T'))
        ) AT TIME ZONE 'UTC' AS timestamp) AS occurred_at,
        CAST(from_iso8601_timestamp(
            upper(replace(json_extract_scalar(line, '$.transaction_timestamp'), ' ', 'T'))
        ) AT TIME ZONE 'UTC' AS timestamp) AS transaction_at
    FROM lake
    WHERE dt = ? AND hour = ?
),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY path, line) AS copy
    FROM lines
)
SELECT
    event_id,
    occurred_at,
    json_extract_scalar(line, '$.user_id') AS user_id,
    json_extract_scalar(line, '$.producer') AS producer,
    json_extract_scalar(line, '$.activity_type') AS activity_type,
    json_extract_scalar(line, '$.session_id') AS session_id,
    json_extract_scalar(line, '$.ip_address') AS ip_address,
    json_extract_scalar(line, '$.metric_name') AS metric_name,
    json_extract_scalar(line, '$.source') AS source,
    CAST(json_extract_scalar(line, '$.value') AS double) AS value,
    json_extract_scalar(line, '$.unit') AS unit,
    json_extract_scalar(line, '$.transaction_id') AS transaction_id,
    CAST(json_extract_scalar(line, '$.amount') AS decimal(38, 20)) AS amount,
    json_extract_scalar(line, '$.currency') AS currency,
    json_extract_scalar(line, '$.merchant') AS merchant,
    json_extract_scalar(line, '$.category') AS category,
    json_extract_scalar(line, '$.status') AS status,
    transaction_at,
    CAST(json_extract_scalar(line, '$.is_fraud') AS boolean) AS is_fraud,
    json_format(json_extract(line, '$.location')) AS location,
    json_format(json_extract(line, '$.details')) AS details,
    json_format(json_extract(line, '$.tags')) AS tags,
    json_extract_scalar(line, '$.event_type') AS event_type,
    -- One statement writes 100 partitions at most: what is older than 20 days lies with the oldest.
    CAST(greatest(
        CAST(occurred_at AS date), CAST(date_add('day', -20, CAST(dt AS date)) AS date)
    ) AS varchar) AS day,
    concat(dt, '-', hour) AS arrival
FROM numbered
WHERE copy = 1
