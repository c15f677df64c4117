const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/**
 * Python's strftime in the C locale, local time: what chat templates get from transformers. The library's own takes the
 * names of the browser's language ('26 Juli'), which no model was trained on, and knows seven codes.
 * Codes that are not here stay as they are.
 */
export function strftime(date: Date, format: string): string {
  const year = date.getFullYear();
  const month = MONTHS[date.getMonth()] ?? '';
  const day = DAYS[date.getDay()] ?? '';
  const hour12 = date.getHours() % 12 || 12;
  const dayOfYear = Math.round(
    (Date.UTC(year, date.getMonth(), date.getDate()) - Date.UTC(year, 0, 0)) / 86_400_000,
  );
  const codes: Readonly<Record<string, string>> = {
    '%': '%',
    Y: String(year),
    y: pad(year % 100),
    m: pad(date.getMonth() + 1),
    B: month,
    b: month.slice(0, 3),
    h: month.slice(0, 3),
    d: pad(date.getDate()),
    e: String(date.getDate()).padStart(2, ' '),
    j: pad(dayOfYear, 3),
    A: day,
    a: day.slice(0, 3),
    w: String(date.getDay()),
    u: String(date.getDay() || 7),
    H: pad(date.getHours()),
    I: pad(hour12),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    M: pad(date.getMinutes()),
    S: pad(date.getSeconds()),
    F: `${year}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`,
    T: `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`,
  };
  return format.replaceAll(/%(-?)([A-Za-z%])/g, (code, noPadding: string, letter: string) => {
    const text = codes[letter];
    if (text === undefined) return code;
    // glibc's %-d: without the leading zero or space.
    return noPadding === '' ? text : text.replace(/^[0 ]+(?=.)/, '');
  });
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0');
}
