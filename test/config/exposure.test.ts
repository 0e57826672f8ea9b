/** Which configurations may be reached from other machines. */
import { expect, test } from 'vitest';
import { type Exposed, exposureMisfits, isLoopback } from '../../src/config/exposure.ts';

const at = (host: string) => ({ host, port: 1 });
const tokens = { farm: null, botTokens: true, jwt: null };
const nothing = { farm: null, botTokens: false, jwt: null };
const files = (clientAuthorities: string | null = null) => ({ clientAuthorities });

type Given = Omit<Partial<Exposed>, 'doors'> & {
  readonly grpc?: string;
  readonly http?: string;
  readonly factory?: string;
  readonly override?: true;
};

const misfits = ({ grpc = '127.0.0.1', http = '127.0.0.1', factory, override, ...rest }: Given, isProduction = false) =>
  exposureMisfits(
    {
      tls: null,
      auth: nothing,
      ...rest,
      doors: {
        grpc: at(grpc),
        http: at(http),
        factory: factory === undefined ? null : at(factory),
        iKnowThatAnyoneOnThisNetworkCanFalsifyResults: override === true,
      },
    },
    isProduction,
  );

test.for<[string, Given]>([
  ['loopback, with nothing', {}],
  ['loopback by name and by IPv6', { grpc: 'localhost', http: '::1' }],
  ['wide, with TLS and tokens', { grpc: '0.0.0.0', http: '::', tls: files(), auth: tokens }],
  ['wide, with TLS and JWT', { http: '0.0.0.0', tls: files(), auth: { ...nothing, jwt: {} } }],
  [
    'wide, with certificates of bots',
    { grpc: '0.0.0.0', tls: files('ca.pem'), auth: { ...nothing, farm: 'farm.example' } },
  ],
  ['wide behind a proxy, with tokens', { grpc: '0.0.0.0', tls: 'terminated-by-proxy', auth: tokens }],
  ['the factory door wide with TLS, since no DUT has credentials', { factory: '0.0.0.0', tls: files() }],
  ['the factory door wide behind a proxy', { factory: '0.0.0.0', tls: 'terminated-by-proxy' }],
  ['the factory door on loopback', { factory: '127.0.0.1' }],
  ['the factory door wide, by the long word', { factory: '0.0.0.0', override: true }],
  ['wide, by the long word', { grpc: '0.0.0.0', override: true }],
])('takes %s', ([, given]) => {
  expect(misfits(given)).toEqual([]);
});

const TLS = /since there is no TLS: set `tls.certificate` and `tls.key`, or `tls: terminated-by-proxy`/;
const AUTH = /since nobody is asked for credentials: set `auth`/;

test.for<[string, Given, readonly RegExp[]]>([
  ['the gRPC door wide', { grpc: '0.0.0.0' }, [/^doors.grpc \(0.0.0.0:1\) can be reached/, TLS, AUTH]],
  ['the HTTP door wide', { http: '::' }, [/^doors.http \(\[::\]:1\) can be reached/, TLS, AUTH]],
  [
    'both wide',
    { grpc: '10.0.0.1', http: 'mes.example' },
    [/^doors.grpc \(10.0.0.1:1\) and doors.http \(mes.example:1\)/],
  ],
  ['the factory door wide', { factory: '0.0.0.0' }, [/^doors.factory \(0.0.0.0:1\) can be reached/, TLS]],
  ['tokens without TLS', { grpc: '0.0.0.0', auth: tokens }, [TLS]],
  ['TLS without credentials', { grpc: '0.0.0.0', tls: files() }, [AUTH]],
  ['certificates that nobody reads', { grpc: '0.0.0.0', tls: files('ca.pem') }, [AUTH]],
  [
    'names that no certificate can show',
    { grpc: '0.0.0.0', tls: files(), auth: { ...nothing, farm: 'farm.example' } },
    [AUTH],
  ],
  ['a proxy without credentials', { grpc: '0.0.0.0', tls: 'terminated-by-proxy' }, [AUTH]],
])('refuses %s, and says what to do', ([, given, words]) => {
  const [misfit, ...others] = misfits(given);
  expect(others).toEqual([]);
  for (const each of words) expect(misfit).toMatch(each);
  expect(misfit).toMatch(/docs\/how-to\/secure.md shows how\. Or stay on loopback/);
});

test('says of what is there nothing', () => {
  expect(misfits({ grpc: '0.0.0.0', auth: tokens })[0]).not.toMatch(AUTH);
  expect(misfits({ grpc: '0.0.0.0', tls: files() })[0]).not.toMatch(TLS);
});

test('the long word is refused in production, also where nothing is wide', () => {
  const words = [
    expect.stringMatching(/^--i-know-that-anyone-on-this-network-can-falsify-results is refused where NODE_ENV/),
  ];
  expect(misfits({ grpc: '0.0.0.0', override: true }, true)).toEqual(words);
  expect(misfits({ override: true }, true)).toEqual(words);
});

test.for([
  ['127.0.0.1', true],
  ['127.8.9.1', true],
  ['::1', true],
  ['localhost', true],
  ['farm.localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['127.0.0.1.example', false],
  ['localhost.example', false],
] as const)('%s is loopback: %s', ([host, is]) => {
  expect(isLoopback(host)).toBe(is);
});
