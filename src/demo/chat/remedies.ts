import type { WebMlaError } from '../../index.ts';
import { count } from '../quantities.ts';
import { listOf, numberOr } from '../plain_data.ts';
import { EMBEDDED } from '../model_choice.ts';
import type { LoadRequest } from './model_session.ts';

/** Something that may help, one click away. */
export interface Remedy {
  readonly label: string;
  /** What to load; 'choose': the person chooses another model. */
  readonly load: LoadRequest | 'choose';
}

/** Contexts shorter than this are of little use in a chat. */
const SHORTEST_CONTEXT = 512;
const DEFAULT_CONTEXT = 4096;
const MOST_FILES = 6;

/** What to offer when a load has failed; the most promising first. */
export function remediesFor(error: WebMlaError, request: LoadRequest): readonly Remedy[] {
  const again = (label: string): Remedy => ({ label, load: request });
  const elsewhere = others(request);
  switch (error.code) {
    case 'out_of_memory':
    case 'limit_exceeded':
      return [...smaller(request), ...elsewhere];
    case 'device_lost':
      return [again('Reload the model'), ...smaller(request)];
    case 'bad_request':
      return [...corrected(error, request), ...uncompressed(request), ...elsewhere];
    case 'unsupported':
      return [...asMla(error, request), ...uncompressed(request), ...elsewhere];
    case 'missing_file':
      return [...uncompressed(request), ...elsewhere];
    case 'bad_file':
    case 'bad_tensor':
      return elsewhere;
    case 'aborted':
      return [again('Load it'), ...elsewhere];
    case 'network':
    case 'storage':
    case 'no_webgpu':
    case 'shader_compile':
    case 'context_full':
    case 'engine_state':
    case 'internal':
      return [again('Try again'), ...elsewhere];
  }
}

function smaller(request: LoadRequest): Remedy[] {
  const { options } = request;
  const context = Math.floor((options.contextLength ?? DEFAULT_CONTEXT) / 2);
  const remedies: Remedy[] = [];
  if (context >= SHORTEST_CONTEXT) {
    remedies.push({
      label: `Reload with a context of ${count(context)}`,
      load: { ...request, options: { ...options, contextLength: context } },
    });
  }
  if (options.weights !== 'q4') {
    remedies.push({
      label: 'Reload with 4-bit weights',
      load: { ...request, options: { ...options, weights: 'q4' } },
    });
  }
  return remedies;
}

/** A converted checkpoint is MLA for good. */
function asMla({ details }: WebMlaError, request: LoadRequest): Remedy[] {
  if (details['attention'] !== 'mla') return [];
  return [
    { label: 'Load it as MLA', load: { ...request, options: { ...request.options, attention: 'mla' } } },
  ];
}

/** What stops a conversion need not stop the model. */
function uncompressed(request: LoadRequest): Remedy[] {
  const { options } = request;
  if (options.kvBudget === null) return [];
  return [
    { label: 'Load it without compressing', load: { ...request, options: { ...options, kvBudget: null } } },
  ];
}

/** The engine says what it would have taken. */
function corrected({ details }: WebMlaError, request: LoadRequest): Remedy[] {
  const longest = numberOr(details['longest'], null);
  if (longest !== null) {
    return [
      {
        label: `Load with a context of ${count(longest)}`,
        load: { ...request, options: { ...request.options, contextLength: longest } },
      },
    ];
  }
  const { choice } = request;
  if (choice.kind !== 'address') return [];
  // A repository with several GGUF: one of them has to be named.
  return listOf(details['files'])
    .slice(0, MOST_FILES)
    .map((file) => ({
      label: String(file),
      load: {
        ...request,
        choice: { kind: 'address', address: `${choice.address.replace(/\/$/, '')}/${String(file)}` },
      },
    }));
}

function others(request: LoadRequest): Remedy[] {
  const remedies: Remedy[] = [{ label: 'Choose another model', load: 'choose' }];
  if (request.choice.kind !== 'embedded') {
    remedies.push({ label: 'Use the embedded model', load: { choice: EMBEDDED, options: request.options } });
  }
  return remedies;
}
