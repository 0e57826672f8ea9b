/** Asks who calls before a byte of the request is read: a stranger must not make the farm hold megabytes. */
import { type ServerInterceptor, ServerInterceptingCall } from '@grpc/grpc-js';
import type { Admission } from '../../farm/admit.ts';
import { originOf } from './adapt.ts';
import type { Service } from './endpoints.ts';
import { refuse } from './refuse.ts';

/**
 * Until its listener goes on, grpc-js reads nothing of the call, and HTTP/2 lets the client send one window of it.
 * @param onBug hears of what is neither a refusal nor an outage.
 */
export const knowFirst = (
  services: readonly Service[],
  admission: Admission,
  onBug: (error: unknown) => void,
): ServerInterceptor => {
  const verbs = new Map(
    services.flatMap(({ endpoints }) => endpoints.map(({ method, asking }) => [method.path, asking.verb])),
  );
  return ({ path }, call) => {
    const verb = verbs.get(path);
    if (verb === undefined) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, goOn) => {
            const origin = originOf({
              metadata,
              getPeer: () => call.getPeer(),
              getAuthContext: () => call.getAuthContext(),
            });
            admission.known(verb, origin).then(
              () => {
                goOn(metadata);
              },
              (error: unknown) => {
                call.sendStatus(refuse(error, onBug));
              },
            );
          },
        });
      },
    });
  };
};
