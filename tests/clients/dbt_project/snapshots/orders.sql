{% snapshot snapshot_by_time %}
{{ config(target_schema='dbt_demo', unique_key='id', strategy='timestamp', updated_at='at') }}
SELECT * FROM {{ ref('raw_orders') }}
{% endsnapshot %}
{% snapshot snapshot_by_check %}
{{ config(target_schema='dbt_demo', unique_key='id', strategy='check', check_cols=['amount']) }}
SELECT * FROM {{ ref('raw_orders') }}
{% endsnapshot %}
