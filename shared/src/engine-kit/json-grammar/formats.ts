/**
 * Formats as patterns: what is written where one is asked for. Narrower than the standards where validators differ, so that
 * zod, pydantic and ajv all take it.
 */

const YEAR = '[1-9]\\d{3}';
const LEAP_YEAR = '(?:[1-9]\\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)';
const DATE = `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|${LEAP_YEAR}-02-29)`;
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?';
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const EMAIL = `[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?:${LABEL}\\.)+[A-Za-z]{2,}`;
const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const PIECE = '[0-9a-fA-F]{1,4}';
/** The gap of `::` stands for one piece at least. */
const IPV6 = [
  `(?:${PIECE}:){7}${PIECE}`,
  `(?:${PIECE}:){1,7}:`,
  `:(?:(?::${PIECE}){1,7}|:)`,
  ...[1, 2, 3, 4, 5, 6].map((before) => `(?:${PIECE}:){${before}}(?::${PIECE}){1,${7 - before}}`),
].join('|');
const URI_SIGN = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const PATH = `(?:/${URI_SIGN}*)*(?:\\?(?:${URI_SIGN}|[/?])*)?(?:#(?:${URI_SIGN}|[/?])*)?`;
const URI = `(?:https?|ftp|wss?)://${LABEL}(?:\\.${LABEL})*(?::[1-9]\\d{1,3})?${PATH}`;
const HOSTNAME = `${LABEL}(?:\\.${LABEL})*`;
const UUID = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}';
const DURATION =
  'P(?:\\d{1,4}W|(?=[\\dT])(?:\\d{1,4}Y)?(?:\\d{1,4}M)?(?:\\d{1,4}D)?(?:T(?=\\d)(?:\\d{1,4}H)?(?:\\d{1,4}M)?(?:\\d{1,4}S)?)?)';
const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';

const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: `${TIME}Z`,
  'date-time': `${DATE}T${TIME}Z`,
  duration: DURATION,
  email: EMAIL,
  'idn-email': EMAIL,
  hostname: HOSTNAME,
  'idn-hostname': HOSTNAME,
  ipv4: IPV4,
  ipv6: IPV6,
  uri: URI,
  url: URI,
  iri: URI,
  'uri-reference': `(?:${URI}|${PATH})`,
  'iri-reference': `(?:${URI}|${PATH})`,
  uuid: UUID,
  guid: UUID,
  byte: BASE64,
  ...Object.fromEntries(
    [1, 3, 4, 5, 6, 7, 8].map((version) => [`uuid${version}`, UUID.replace('[1-8]', `${version}`)]),
  ),
};

/** Undefined: the format is a note, as in JSON Schema itself. */
export function patternOfFormat(format: unknown): string | undefined {
  return typeof format === 'string' && Object.hasOwn(FORMATS, format) ? `^(?:${FORMATS[format]})$` : undefined;
}
