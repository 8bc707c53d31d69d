-- check: ticket_sales holds exactly the rows of the source
-- expect: = :rows_ticket_sales
SELECT COUNT(*) FROM concert_dw.ticket_sales WHERE streamed_at IS NULL;
