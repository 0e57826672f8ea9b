/** The forms in which factory software writes the address of a shopfloor. */

/** What the calls are written in. */
export type ShopfloorProtocol = 'xmlrpc' | 'jsonrpc';

export type ShopfloorUrl =
  | {
      readonly kind: 'url';
      readonly url: URL;
      readonly protocol: ShopfloorProtocol;
      /** Every argument, and the result, is a string that holds JSON: what the prefix `json:` asks for. */
      readonly jsonText: boolean;
    }
  | { readonly kind: 'unsupported'; readonly why: string };

type Prefix = ShopfloorProtocol | 'wsdl' | 'json';

const PREFIX = /^(xmlrpc|jsonrpc|wsdl|json):(?!\/\/)/i;

/**
 * Reads a shopfloor's address: `http` or `https`, with or without `xmlrpc:`, `jsonrpc:` or `json:` before it; `json:`
 * goes with either of the others. A trailing slash is dropped as factory software does, so that an address which works
 * there works here.
 */
export function toShopfloorUrl(text: string): ShopfloorUrl {
  const { prefixes, address } = splitPrefixes(text.trim());
  const repeated = prefixes.find((prefix, index) => prefixes.indexOf(prefix) !== index);
  if (repeated !== undefined) return unsupported(`The shopfloor URL says ${repeated}: twice; once is enough.`);
  if (prefixes.includes('wsdl') || /wsdl$/i.test(address)) return soap(prefixes.includes('wsdl'));
  if (prefixes.includes('xmlrpc') && prefixes.includes('jsonrpc')) {
    return unsupported('The shopfloor URL says both xmlrpc: and jsonrpc:; a call is written in one of them.');
  }
  // Without slashes a browser's rules would still find a host in it.
  if (!URL.canParse(address) || !address.includes('://')) {
    return unsupported('The shopfloor URL cannot be read; write it as http://host:port/path.');
  }
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return unsupported(`A shopfloor URL begins with http:// or https://, not ${url.protocol}//.`);
  }
  url.pathname = url.pathname.replace(/\/+$/, '');
  const protocol = prefixes.includes('jsonrpc') ? 'jsonrpc' : 'xmlrpc';
  return { kind: 'url', url, protocol, jsonText: prefixes.includes('json') };
}

function splitPrefixes(text: string): { readonly prefixes: readonly Prefix[]; readonly address: string } {
  const prefixes: Prefix[] = [];
  let address = text;
  for (let match = PREFIX.exec(address); match !== null; match = PREFIX.exec(address)) {
    prefixes.push(toPrefix(match[1]));
    address = address.slice(match[0].length);
  }
  return { prefixes, address };
}

function toPrefix(word: string | undefined): Prefix {
  return (word ?? '').toLowerCase() as Prefix;
}

/** SOAP turns empty structs and empty strings into nil, and answers by a description that we would have to trust. */
function soap(byPrefix: boolean): ShopfloorUrl {
  const form = byPrefix ? 'wsdl:' : 'a URL that ends in wsdl';
  return unsupported(
    `The shopfloor URL uses ${form}, which is SOAP, and that is not spoken here. ` +
      'Write the XML-RPC address of the service (http://… or xmlrpc:http://…), its JSON-RPC one (jsonrpc:http://…), ' +
      'or put a small XML-RPC service before it.',
  );
}

function unsupported(why: string): ShopfloorUrl {
  return { kind: 'unsupported', why };
}
