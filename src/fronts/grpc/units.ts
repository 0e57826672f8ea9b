/** stationgrid.v1.Units: what became of one unit, and what may become of it next. */
import { checkStation } from '../../farm/check-station.ts';
import type { Farm } from '../../farm/farm.ts';
import { getUnit, type UnitAttempt, type UnitEntry, type UnitUpload } from '../../farm/get-unit.ts';
import type {
  UnitAttempt as UnitAttemptMessage,
  UnitEntry as UnitEntryMessage,
  UnitsService,
  UnitUpload as UnitUploadMessage,
} from '../../gen/stationgrid/v1/units.ts';
import { toRedacted } from '../../wire/redact.ts';
import type { HandlersOf } from './endpoints.ts';
import { deviceMessageOf } from './convert-fleet.ts';
import { textOrNull } from './convert-ids.ts';
import { outcomeMessageOf } from './convert-job.ts';
import { resultMessageOf } from './convert-results.ts';
import { timestampOf, timestampOrUnset } from './convert-time.ts';
import { noteMessageOf } from './results.ts';
import { callMessageOf } from './shopfloor.ts';

export const createUnits = (farm: Farm): HandlersOf<UnitsService> => ({
  getUnit: async ({ name, ...asked }) => {
    const unit = await getUnit(farm, { ...asked, name: textOrNull(name) });
    return {
      device: deviceMessageOf(unit.device),
      entries: toRedacted(unit.entries).map(entryMessageOf),
      nextPageToken: unit.nextPageToken,
      olderLeftOut: unit.olderLeftOut,
    };
  },
  checkStation: async ({ name, ...asked }) => {
    const { jobId, deviceId, ...checked } = await checkStation(farm, { ...asked, name: textOrNull(name) });
    return { ...checked, jobId: BigInt(jobId ?? 0), deviceId: BigInt(deviceId) };
  },
});

const entryMessageOf = (entry: UnitEntry): UnitEntryMessage => ({
  time: timestampOf(entry.at),
  jobId: BigInt(entry.jobId ?? 0),
  station: entry.station,
  what: whatOf(entry),
});

const whatOf = (entry: UnitEntry): UnitEntryMessage['what'] => {
  switch (entry.kind) {
    case 'JOB':
      return { $case: 'job', value: outcomeMessageOf(entry.job) };
    case 'ATTEMPT':
      return { $case: 'attempt', value: attemptMessageOf(entry.attempt) };
    case 'RESULT':
      return { $case: 'result', value: { ...entry.result, result: resultMessageOf(entry.result.result) } };
    case 'UPLOAD':
      return { $case: 'upload', value: uploadMessageOf(entry.upload) };
    case 'CALL':
      return { $case: 'call', value: callMessageOf(entry.call) };
    case 'EVENT':
      return { $case: 'event', value: entry.event };
    case 'NOTE':
      return { $case: 'note', value: noteMessageOf(entry.note) };
  }
};

const attemptMessageOf = ({ startedAt, closedAt, closedReason, ...attempt }: UnitAttempt): UnitAttemptMessage => ({
  ...attempt,
  startTime: timestampOrUnset(startedAt),
  closeTime: timestampOrUnset(closedAt),
  reason: closedReason ?? '',
});

const uploadMessageOf = ({ bytes, serial, stage, reportName, ...upload }: UnitUpload): UnitUploadMessage => ({
  ...upload,
  sizeBytes: BigInt(bytes),
  serial: serial ?? '',
  stage: stage ?? '',
  reportName: reportName ?? '',
});
