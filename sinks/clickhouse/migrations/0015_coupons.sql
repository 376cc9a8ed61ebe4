-- What coupons took off a charge. A statement ends with a semicolon at the end of its line.

ALTER TABLE charges
    ADD COLUMN IF NOT EXISTS discount_amount Decimal(38, 12) COMMENT 'What coupons took off; with amount it is the charge before coupons, to which its rows of rated_usage add up';
