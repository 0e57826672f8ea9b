/** Which connections one door keeps: so many at once, so many of one address, and none that does not get to the point. */
import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Limits } from '../core/limits.ts';
import { createDeadlines } from './deadlines.ts';
import { createParties, type Objection, type Party } from './parties.ts';

/** Why a connection was closed before its front saw it. */
export type RefusedReason =
  | 'all connections'
  | Objection
  | 'handshake time'
  | 'TLS handshake'
  | 'client certificate'
  | 'not HTTP/2'
  /** Too many calls came to nothing; this is the connection of the last of them. */
  | 'stray calls';

export type DoorWitness = {
  readonly opened: () => void;
  readonly closed: () => void;
  /** @param why in words, where the reason alone does not say it. */
  readonly refused: (reason: RefusedReason, peer: string, why: string) => void;
};

export type Doorkeeper = {
  /** To be asked of every connection as it is accepted; false: it has been closed. */
  readonly admit: (socket: Socket) => boolean;
  /** The connection, or TLS over it, has said what the door waits for: its time no longer runs. */
  readonly proved: (socket: Socket) => void;
  readonly refuse: (socket: Socket, reason: RefusedReason, why?: string) => void;
  /**
   * A call on a connection has come to nothing: its client reset it, or showed no credentials that hold. So many of them
   * cost the farm more than they cost who makes them; an address that goes on is shut out for a while.
   */
  readonly stray: (ends: Ends) => void;
  /** Closes those that have not come through; the door takes no new ones. */
  readonly close: () => void;
};

export type DoorkeeperOptions = {
  readonly limits: Limits['doors'];
  readonly clock: Clock;
  readonly witness: DoorWitness;
  /** All come from a proxy, so that an address says nothing of who it is. */
  readonly behindProxy: boolean;
};

type Visit = {
  readonly party: Party;
  readonly socket: Socket;
  /** Null once it has proved itself. */
  proving: (() => void) | null;
};

export const createDoorkeeper = ({ limits, clock, witness, behindProxy }: DoorkeeperOptions): Doorkeeper => {
  const parties = createParties(limits);
  const visits = new Map<string, Visit>();
  const proving = createDeadlines(limits.handshakeMs, clock);

  const objection = (party: Party, nowMs: number): RefusedReason | null => {
    if (visits.size >= limits.connectionsMax) return 'all connections';
    return behindProxy ? null : parties.objection(party, nowMs);
  };

  const refuse: Doorkeeper['refuse'] = (socket, reason, why = '') => {
    witness.refused(reason, peerOf(socket), why);
    socket.destroy();
  };

  const prove = (visit: Visit | undefined): void => {
    if (visit === undefined || visit.proving === null) return;
    visit.proving();
    visit.proving = null;
    visit.party.unproved -= 1;
  };

  /** When it closes the socket no longer knows where it came from. */
  const enter = (socket: Socket, party: Party): void => {
    const key = keyOf(socket);
    const visit: Visit = { party, socket, proving: proving.begin(() => refuse(socket, 'handshake time')) };
    visits.set(key, visit);
    party.open += 1;
    party.unproved += 1;
    witness.opened();
    socket.once('close', () => {
      prove(visit);
      party.open -= 1;
      visits.delete(key);
      witness.closed();
    });
  };

  return {
    admit: (socket) => {
      // A connection that has gone before it was looked at has no address any more.
      if (socket.remoteAddress === undefined) {
        socket.destroy();
        return false;
      }
      const nowMs = clock.monotonicMs();
      const party = parties.at(socket.remoteAddress, nowMs);
      const reason = objection(party, nowMs);
      if (reason === null) enter(socket, party);
      else refuse(socket, reason);
      return reason === null;
    },
    proved: (socket) => {
      prove(visits.get(keyOf(socket)));
    },
    refuse,
    stray: (ends) => {
      const visit = visits.get(keyOf(ends));
      // Whoever has lost its connection has lost its calls with it, and has done nothing.
      if (visit === undefined || visit.socket.destroyed || behindProxy) return;
      if (parties.stray(visit.party, clock.monotonicMs())) refuse(visit.socket, 'stray calls');
    },
    close: () => {
      proving.stop();
      for (const visit of visits.values()) if (visit.proving !== null) visit.socket.destroy();
    },
  };
};

/** Of a connection: a socket knows them, and so does a call. */
export type Ends = {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
};

/** TLS stands on a socket as another one, with the same two ends; no two open connections have the same. */
const keyOf = ({ localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 }: Ends): string =>
  `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;

const peerOf = ({ remoteAddress = 'somebody who has left', remotePort = 0 }: Socket): string =>
  remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
