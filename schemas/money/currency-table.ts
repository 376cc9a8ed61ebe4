// The minor unit of every currency. Generated: change `currency-source.ts`, then run
// `node dist/schemas/money/write-currency-table.js` after a build. A test holds this file against its source.
// From ISO 4217 list one of 2024-06-25 (npm package `currency-codes`) and the amendments
//   176: XCG from 2025-03-31, ANG until 2025-07-01 (Caribbean for Netherlands Antillean guilder)
//   177: ZWG from 2024-06-25, ZWL until 2024-09-01 (Zimbabwe: Zimbabwe Gold for Zimbabwe dollar)
//   178: CUC until 2021-06-30 (Cuba: without the convertible peso)
//   179: XAD from 2025-05-12 (Arab Monetary Fund: Arab accounting dinar)
//   180: BGN until 2026-01-01 (Bulgaria: euro for lev)
// Withdrawn codes stay, because charges of their time are still corrected. Codes without a minor unit (metals, XDR,
// XTS, XXX and the like) cannot be billed and are absent.

/** Digits after the point, then the codes that have so many. */
export const currenciesByMinorUnits: readonly (readonly [digits: number, codes: string])[] = [
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'],
  [
    2,
    'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD ' +
      'CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL ' +
      'GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD ' +
      'LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN ' +
      'PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB ' +
      'TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG ZWL',
  ],
  [3, 'BHD IQD JOD KWD LYD OMR TND'],
  [4, 'CLF UYW'],
]
