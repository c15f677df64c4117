import { localChoice } from './model_choice.ts';
import type { ModelChoice } from './model_choice.ts';

/**
 * What was dropped, as a model: files as they are, or the files of a folder (those of the first level, as models have them).
 * To be called while the drop event is handled: its data is gone afterwards.
 * @returns null when there are no files
 */
export async function choiceFromDrop(data: DataTransfer): Promise<ModelChoice | null> {
  const folder = [...data.items]
    .map((item) => item.webkitGetAsEntry())
    .find((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  const files = [...data.files];
  if (!folder) return files.length > 0 ? localChoice(files) : null;
  const source = await filesIn(folder);
  return source.length > 0 ? { kind: 'local', name: folder.name, source } : null;
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  for (;;) {
    // Entries come in lots of a hundred; an empty lot is the end.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (entries.length === 0) return files;
    for (const entry of entries) if (isFile(entry)) files.push(await fileOf(entry));
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
}
