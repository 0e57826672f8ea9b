/** States as people write them after --state. */

export const jobStates = ['QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED'] as const;
export type JobStateWord = (typeof jobStates)[number];

export const callStates = ['OWED', 'DELIVERED', 'GATE_REFUSED', 'DEAD', 'SKIPPED'] as const;
export type CallStateWord = (typeof callStates)[number];
