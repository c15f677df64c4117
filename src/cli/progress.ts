import type { LoadProgress } from '../runtime/types.ts';

/** Loading progress on standard error: one line that is written over on a terminal, silence elsewhere. */
export function terminalProgress(): { show: (progress: LoadProgress) => void; clear: () => void } {
  const stream = process.stderr;
  if (!stream.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show({ stage, loaded, total, unit, item }) {
      const amount =
        unit === 'bytes'
          ? `${megabytes(loaded)} of ${megabytes(total)} MB`
          : `${Math.floor(loaded)} of ${total} ${unit}`;
      const line = `${stage}: ${amount}${item === undefined ? '' : ` (${item})`}`;
      stream.write(`\r\x1b[K${line.slice(0, Math.max(20, stream.columns - 1))}`);
    },
    clear: () => void stream.write('\r\x1b[K'),
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
