import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';

interface DropZoneProps {
  /** What can be dropped. */
  readonly text: string;
  /** The data is gone once the call is over: what is read of it must be asked for at once. */
  readonly onDrop: (data: DataTransfer) => void;
}

/** The whole page takes files. */
export function DropZone({ text, onDrop }: DropZoneProps): ComponentChildren {
  const over = useSignal(false);
  useEffect(() => {
    // Every element under the pointer tells of its own enter and leave.
    let depth = 0;
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const controller = new AbortController();
    const on = (
      type: 'dragenter' | 'dragover' | 'dragleave' | 'drop',
      act: (event: DragEvent) => void,
    ): void =>
      addEventListener(
        type,
        (event) => {
          if (!hasFiles(event)) return;
          event.preventDefault();
          act(event);
          over.value = depth > 0;
        },
        { signal: controller.signal },
      );
    on('dragenter', () => depth++);
    on('dragover', () => undefined);
    on('dragleave', () => depth--);
    on('drop', ({ dataTransfer }) => {
      depth = 0;
      if (dataTransfer) onDrop(dataTransfer);
    });
    return () => controller.abort();
  }, [onDrop]);
  if (!over.value) return null;
  return (
    <div class="drop-zone" aria-hidden="true">
      <p>{text}</p>
    </div>
  );
}
