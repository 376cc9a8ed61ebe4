-- A payment that is told twice came in once: `received` of kpi_payments is that of its first success, as in payment_balances.
-- A statement ends with a semicolon at the end of its line.

CREATE OR REPLACE VIEW kpi_payments
(
    payment_id String COMMENT 'The payment',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    invoice String COMMENT 'The invoice that it names, or nothing',
    received_at DateTime64(9, 'UTC') COMMENT 'First success',
    received Decimal(76, 12) COMMENT 'What came in, by its first success',
    refunded Decimal(76, 12) COMMENT 'What went back'
)
AS
SELECT
    payment_id, currency, max(p.invoice_id) AS invoice,
    minIf(p.event_time, p.status = 'succeeded') AS received_at,
    argMinIf(toDecimal256(p.amount, 12), (p.event_time, p.event_source, p.event_id), p.status = 'succeeded') AS received,
    sumIf(toDecimal256(p.amount, 12), p.status = 'refunded') AS refunded
FROM payments AS p
GROUP BY payment_id, currency
HAVING countIf(p.status = 'succeeded') > 0;
