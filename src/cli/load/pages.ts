/** A list of the farm's, page by page, for as long as its reader wants more. */
const PAGE_MAX = 500;

export async function* pagesOf<R extends { readonly nextPageToken: string }, E>(
  ask: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<R>,
  entriesOf: (reply: R) => readonly E[],
): AsyncGenerator<readonly E[], void> {
  let pageToken = '';
  do {
    const reply: R = await ask({ pageSize: PAGE_MAX, pageToken });
    yield entriesOf(reply);
    pageToken = reply.nextPageToken;
  } while (pageToken !== '');
}
