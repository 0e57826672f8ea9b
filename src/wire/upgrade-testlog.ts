/** Testlog payloads of older versions of its API, brought to the form of the current one. */

type Fields = Readonly<Record<string, unknown>>;

export const CURRENT = '0.21';

/** What is no old version comes back as it is, for the schema to judge. */
export const upgradeTestlog = (payload: Fields): Fields => {
  switch (payload['apiVersion']) {
    case '0.2':
      return { ...payload, apiVersion: CURRENT };
    case '0.1':
      return fromFirst(payload);
    default:
      return payload;
  }
};

const fromFirst = (payload: Fields): Fields => {
  const { series, parameters, arguments: given, ...rest } = payload;
  const measured = { ...seriesOf(series), ...singlesOf(parameters) };
  return {
    ...rest,
    apiVersion: CURRENT,
    ...mapped(rest, ['time', 'startTime', 'endTime'], epochOf),
    ...mapped(rest, ['status'], (status) => (status === 'PASSED' ? 'PASS' : status === 'FAILED' ? 'FAIL' : status)),
    ...(given === undefined ? {} : { arguments: eachOf(given, encodedArgument) }),
    ...(series === undefined && parameters === undefined ? {} : { parameters: measured }),
  };
};

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const mapped = (from: Fields, keys: readonly string[], change: (value: unknown) => unknown): Fields =>
  Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, change(from[key])]])));

/** What is no object is left for the schema to refuse. */
const eachOf = (value: unknown, change: (value: unknown) => unknown): unknown =>
  isFields(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, change(each)])) : value;

/** An ISO text, or an object that stands for a datetime of Python. Without a zone it is UTC, as DUTs write it. */
const epochOf = (value: unknown): unknown => {
  const text = isFields(value) && value['__type__'] === 'datetime' ? value['value'] : value;
  if (typeof text !== 'string') return value;
  const ms = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(ms) ? value : ms / 1000;
};

const encodedArgument = (argument: unknown): unknown =>
  isFields(argument) && argument['value'] !== undefined
    ? { ...argument, value: JSON.stringify(argument['value']) }
    : argument;

/** A series was a table of two columns: each becomes a parameter, of one group. */
const seriesOf = (series: unknown): Fields => {
  if (!isFields(series)) return series === undefined ? {} : { series };
  return Object.fromEntries(
    Object.entries(series).flatMap(([name, each]) => {
      if (!isFields(each) || !Array.isArray(each['data'])) return [[`${name}_value`, each]];
      const { description, keyUnit, valueUnit } = each;
      const rows = each['data'].map((row: unknown) => (isFields(row) ? row : {}));
      const told = description === undefined ? {} : { description };
      return [
        [
          `${name}_key`,
          {
            ...told,
            ...(keyUnit === undefined ? {} : { valueUnit: keyUnit }),
            group: name,
            type: 'argument',
            data: rows.map(({ key }) => ({ numericValue: key })),
          },
        ],
        [
          `${name}_value`,
          {
            ...told,
            ...(valueUnit === undefined ? {} : { valueUnit }),
            group: name,
            type: 'measurement',
            data: rows.map(({ key: _key, keyUnit: _unit, ...row }) => entryOf(row)),
          },
        ],
      ];
    }),
  );
};

const singlesOf = (parameters: unknown): Fields => {
  if (!isFields(parameters)) return parameters === undefined ? {} : { parameters };
  return Object.fromEntries(
    Object.entries(parameters).map(([name, each]) => {
      if (!isFields(each)) return [`parameter_${name}`, each];
      const { description, group, valueUnit, type = 'measurement', ...row } = each;
      const told = Object.fromEntries(
        Object.entries({ description, group, valueUnit }).filter(([, value]) => value !== undefined),
      );
      return [`parameter_${name}`, { ...told, type, data: [entryOf(row)] }];
    }),
  );
};

const entryOf = ({ value, status, ...row }: Fields): Fields => ({
  ...row,
  ...(value === undefined ? {} : { numericValue: value }),
  ...(status === undefined ? {} : { status: status === 'PASSED' ? 'PASS' : status === 'FAILED' ? 'FAIL' : status }),
});
