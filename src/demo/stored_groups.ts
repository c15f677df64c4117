import type { StoredFile } from '../index.ts';

export interface NamedFile extends StoredFile {
  readonly name: string;
}

/** Files that came from one folder or repository: most often one model. */
export interface StoredGroup {
  /** Its last part. */
  readonly name: string;
  /** Host and folders, without what all addresses of the Hub share. */
  readonly place: string;
  /** The largest first. */
  readonly files: readonly NamedFile[];
}

/** In the order of the list, which is that of their last use. */
export function groupStored(files: readonly StoredFile[]): readonly StoredGroup[] {
  const groups = new Map<string, NamedFile[]>();
  for (const file of files) {
    const { name, place } = placeOf(file);
    groups.set(place, [...(groups.get(place) ?? []), { ...file, name }]);
  }
  return [...groups].map(([place, members]) => ({
    name: place.split('/').at(-1) ?? place,
    place,
    files: members.toSorted((a, b) => b.bytes - a.bytes),
  }));
}

export function totalBytes(files: readonly StoredFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}

/** What to load so that the kept files are used; null where it is not known from where they came. */
export function addressOf({ files }: StoredGroup): string | null {
  const weights = files.find(({ name }) => /\.(gguf|safetensors)$/.test(name));
  const url = weights?.urls[0];
  if (!weights || url === undefined || !URL.canParse(url)) return null;
  const { origin, pathname } = new URL(url);
  const repository = pathname.split('/resolve/')[0];
  if (repository !== undefined && repository !== pathname && !weights.name.endsWith('.gguf'))
    return origin + repository;
  return weights.name.endsWith('.gguf') ? url : new URL('.', url).href;
}

/** As it is when it is no encoding of anything. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function placeOf({ urls, sha256 }: StoredFile): { name: string; place: string } {
  const [first] = urls;
  if (first === undefined || !URL.canParse(first))
    return { name: sha256.slice(0, 12), place: 'origin unknown' };
  const { host, pathname } = new URL(first);
  const parts = pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
  const name = parts.pop() ?? host;
  const revision = parts.indexOf('resolve');
  const folders = revision === -1 ? parts : parts.slice(0, revision);
  return { name, place: [host, ...folders].join('/') };
}
