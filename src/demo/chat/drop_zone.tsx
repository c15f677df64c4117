import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Chat } from './chat.ts';
import { useChat } from './chat_context.ts';
import { choiceFromDrop } from './dropped_files.ts';

/** The whole page takes files: a .gguf, or those of a model's folder. */
export function DropZone(): ComponentChildren {
  const chat = useChat();
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
      if (dataTransfer) void load(chat, dataTransfer);
    });
    return () => controller.abort();
  }, []);
  if (!over.value) return null;
  return (
    <div class="drop-zone" aria-hidden="true">
      <p>Drop a .gguf, or the folder of a model, to load it</p>
    </div>
  );
}

async function load(chat: Chat, data: DataTransfer): Promise<void> {
  const choice = await choiceFromDrop(data);
  if (choice) chat.loadModel(choice);
}
