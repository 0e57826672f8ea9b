/** Which methods a path takes, so that the wrong one is told from a path that is not there. */
import type { FastifyInstance } from 'fastify';

/** To be called before the routes are added. Returns the methods that the path takes; none: there is no such path. */
export const trackMethods = (app: FastifyInstance): ((path: string) => readonly string[]) => {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methodsOf.get(url) ?? new Set<string>();
    for (const each of [method].flat()) known.add(each);
    methodsOf.set(url, known);
  });
  return (path) => {
    const asked = path.split('/');
    return [...methodsOf].flatMap(([url, methods]) => (fits(url.split('/'), asked) ? [...methods] : []));
  };
};

const fits = (route: readonly string[], asked: readonly string[]): boolean =>
  route.length === asked.length &&
  route.every((part, index) => (part.startsWith(':') ? asked[index] !== '' : part === asked[index]));
