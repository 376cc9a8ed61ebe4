// An extension of ClickHouse's protocol, offered by the embedded ClickHouse and used by the ClickHouse sink:
// a client on the same machine may write the rows of an insert to a file in a memory folder and name it in a
// request without a body. This avoids the socket between both processes, which costs more than reading the
// rows.

/** Header that answers a `/ping` by Weir's own user: the folder, percent-encoded. Real servers lack it. */
export const rowsFolderHeader = 'X-Weir-Rows-Folder'

/** Parameter of an insert: the file's name in the folder. The file is removed when the request ends. */
export const rowsFileParameter = 'weir_rows_file'
