/** The mistakes that the reference shopfloor makes on demand; apart, so that a help text costs nothing. */

/** By name, what each does. */
export const DEFECTS = {
  'lacks-a-method': 'has no NotifyEnd',
  'no-version': 'answers GetVersion with nil',
  'named-arguments': 'expects one struct of named arguments',
  'rejects-nil': 'refuses calls that hold a nil',
  'rejects-types': 'refuses data that holds anything but strings',
  'answers-nil': 'answers nil where DeviceData belongs',
  'answers-text': 'answers a text where DeviceData belongs',
  'bare-values': 'leaves <value> out of its answers',
  'wants-value-tags': 'refuses a struct that is not in <value>',
  'faults-by-status': 'sends its faults with HTTP status 500',
  'silent-faults': 'sends faults without a word',
  'faults-repeats': 'faults a call whose key it has seen',
  'one-at-a-time': 'hangs up on a call of GetDeviceInfo while it works on another',
  'no-http-1.0': 'refuses HTTP/1.0',
  'cuts-kept-connections': 'promises to keep a connection and hangs up at its second call',
  'small-bodies': 'refuses bodies above 64 KiB',
  'only-root': 'does not answer at /RPC2',
} as const;
export type DefectName = keyof typeof DEFECTS;

export const DEFECT_NAMES: readonly DefectName[] = toNames(Object.keys(DEFECTS));

/** Keys lose their types; that they come from the table is what makes this true. */
function toNames(names: readonly string[]): readonly DefectName[] {
  return names as readonly DefectName[];
}
