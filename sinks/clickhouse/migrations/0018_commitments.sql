-- What a charge of kind `commitment` makes up for, and which coupons took what, as text (JSON): amounts are decimals as strings.
-- Lines of before have neither. A statement ends with a semicolon at the end of its line.

ALTER TABLE charges
    ADD COLUMN IF NOT EXISTS discounts String COMMENT 'JSON, [{code, amount}], in the order in which they were taken off; empty where none was',
    ADD COLUMN IF NOT EXISTS makes_up_for String COMMENT 'JSON, {bound, amount, counted: [{price, amount}]}: what the charges had to come to, and what they came to; empty but for kind commitment';
