// The leap seconds of UTC: the 27 days at whose end a second 23:59:60 was put in. Source: IERS Bulletin C, as collected in
// leap-seconds.list (https://hpiers.obspm.fr/iers/bul/bulc/ntp/leap-seconds.list; the same in the tz database). There has
// been none since 2016. A new one is announced by the IERS half a year before and is added here.

const days = [
  ...['1972-06-30', '1972-12-31', '1973-12-31', '1974-12-31', '1975-12-31', '1976-12-31', '1977-12-31'],
  ...['1978-12-31', '1979-12-31', '1981-06-30', '1982-06-30', '1983-06-30', '1985-06-30', '1987-12-31'],
  ...['1989-12-31', '1990-12-31', '1992-06-30', '1993-06-30', '1994-06-30', '1995-12-31', '1997-06-30'],
  ...['1998-12-31', '2005-12-31', '2008-12-31', '2012-06-30', '2015-06-30', '2016-12-31'],
]

/** Epoch milliseconds of the instants that follow a leap second at once. */
export const leapSecondEnds: ReadonlySet<number> = new Set(
  days.map(day => Date.parse(`${day}T00:00:00Z`) + 86_400_000),
)
